/** How traffic goes. */

import { missing } from "./column.ts";
import { kind } from "./kind.ts";
import type {
  EndpointSliceRow, IngressClassRow, IngressRow, NetworkPolicyRow, ServicePort, ServiceRow, SlicePort,
} from "./rows.ts";
import { ofCount } from "./tones.ts";

const group = "Network";

export const services = kind<ServiceRow>({ name: "services", object: "Service", title: "Services", one: "service", group, namespaced: true }, [
  { id: "type", title: "Type", width: 112, always: true, text: (row) => row.type },
  { id: "clusterIP", title: "Cluster IP", width: 120, text: (row) => row.clusterIP ?? "" },
  {
    id: "externalIP",
    title: "External IP",
    width: 140,
    grow: 1,
    text: (row) => row.externalIP ?? (row.type === "LoadBalancer" ? "pending" : ""),
    tone: (row) => (row.type === "LoadBalancer" && row.externalIP === undefined ? "busy" : undefined),
  },
  { id: "ports", title: "Ports", width: 180, grow: 2, text: (row) => row.ports.map(servicePort).join(", ") },
]);

export const ingresses = kind<IngressRow>({ name: "ingresses", object: "Ingress", title: "Ingresses", one: "ingress", group, namespaced: true }, [
  { id: "class", title: "Class", width: 110, text: (row) => row.class ?? "" },
  { id: "hosts", title: "Hosts", width: 200, grow: 3, always: true, text: (row) => row.hosts.filter(Boolean).join(", ") || "*" },
  { id: "address", title: "Address", width: 150, grow: 1, text: (row) => row.address ?? "" },
]);

export const networkPolicies = kind<NetworkPolicyRow>(
  { name: "networkpolicies", object: "NetworkPolicy", title: "Network policies", one: "network policy", group, namespaced: true },
  [
    { id: "selector", title: "Pod selector", width: 200, grow: 3, text: (row) => row.podSelector || "all pods" },
    { id: "types", title: "Types", width: 140, always: true, text: (row) => row.policyTypes.join(", ") },
  ],
);

export const endpointSlices = kind<EndpointSliceRow>(
  { name: "endpointslices", object: "EndpointSlice", title: "Endpoint slices", one: "endpoint slice", group, namespaced: true },
  [
    { id: "service", title: "Service", width: 150, grow: 1, text: (row) => row.serviceName ?? "" },
    {
      id: "ready",
      title: "Ready",
      width: 84,
      end: true,
      always: true,
      text: (row) => `${row.readyCount}/${row.totalCount}`,
      key: (row) => missing(row.readyCount, row.totalCount),
      tone: (row) => ofCount(row.readyCount, row.totalCount),
    },
    { id: "addressType", title: "Addresses", width: 96, text: (row) => row.addressType },
    { id: "ports", title: "Ports", width: 150, grow: 1, text: (row) => row.ports.map(slicePort).join(", ") },
  ],
);

export const ingressClasses = kind<IngressClassRow>(
  { name: "ingressclasses", object: "IngressClass", title: "Ingress classes", one: "ingress class", group, namespaced: false },
  [
    { id: "controller", title: "Controller", width: 240, grow: 3, always: true, text: (row) => row.controller },
    { id: "default", title: "Default", width: 80, text: (row) => (row.isDefault ? "Yes" : "No") },
  ],
);

function servicePort({ port, nodePort, protocol }: ServicePort): string {
  return `${port}${nodePort ? `:${nodePort}` : ""}/${protocol}`;
}

function slicePort({ port, protocol }: SlicePort): string {
  return protocol ? `${port}/${protocol}` : String(port);
}
