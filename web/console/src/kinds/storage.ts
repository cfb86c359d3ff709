/** What is kept. */

import { amount, type Column } from "./column.ts";
import { kind } from "./kind.ts";
import type { ClaimRow, StorageClassRow, VolumeRow } from "./rows.ts";
import { ofState } from "./tones.ts";

const group = "Config and storage";

const SHORT: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};

/** What volumes and claims have in common. */
const columns: readonly Column<ClaimRow | VolumeRow>[] = [
  { id: "status", title: "Status", width: 112, always: true, text: (row) => row.status, tone: (row) => ofState(row.status) },
  {
    id: "capacity",
    title: "Capacity",
    width: 88,
    end: true,
    always: true,
    text: (row) => row.capacity ?? "",
    key: (row) => amount(row.capacity),
  },
  { id: "access", title: "Access", width: 96, text: (row) => row.accessModes.map((mode) => SHORT[mode] ?? mode).join(", ") },
  { id: "class", title: "Storage class", width: 140, grow: 1, text: (row) => row.storageClass ?? "" },
];

export const claims = kind<ClaimRow>({ name: "pvcs", object: "PersistentVolumeClaim", title: "Volume claims", one: "volume claim", group, namespaced: true }, columns);

export const volumes = kind<VolumeRow>({ name: "pvs", object: "PersistentVolume", title: "Volumes", one: "volume", group, namespaced: false }, [
  ...columns,
  { id: "reclaim", title: "Reclaim policy", width: 116, text: (row) => row.reclaimPolicy ?? "" },
]);

export const storageClasses = kind<StorageClassRow>(
  { name: "storageclasses", object: "StorageClass", title: "Storage classes", one: "storage class", group, namespaced: false },
  [
    { id: "provisioner", title: "Provisioner", width: 220, grow: 2, always: true, text: (row) => row.provisioner },
    { id: "reclaim", title: "Reclaim policy", width: 116, text: (row) => row.reclaimPolicy ?? "" },
    { id: "binding", title: "Binding", width: 168, text: (row) => row.volumeBindingMode ?? "" },
    { id: "expansion", title: "Can grow", width: 92, text: (row) => (row.allowVolumeExpansion ? "Yes" : "No") },
  ],
);
