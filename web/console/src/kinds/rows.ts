/**
 * The rows of the 22 kinds, as lists and streams give them. A field that a server leaves out where it is empty is optional.
 */

import type { ObjectEvent } from "../api/shapes.ts";

/** Who owns an object. */
export interface Owner {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** What every row has. */
export interface Row {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** The controlling owner; a replica set's own field of that name, which is text, is beside the point for who reads rows with owners. */
  readonly owner?: Owner | string | null;
  readonly createdAt?: string;
}

export interface PodRow extends Row {
  readonly phase: string;
  readonly nodeName?: string;
  readonly podIP?: string;
  readonly ready: string;
  readonly restarts: number;
}

/** `kind` and `name` are those of what it happened to. */
export interface EventRow extends Row, ObjectEvent {
  readonly kind: string;
}

export interface DeploymentRow extends Row {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
  readonly availableReplicas: number;
}

export interface StatefulSetRow extends Row {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly updatedReplicas: number;
  readonly currentReplicas: number;
}

export interface DaemonSetRow extends Row {
  readonly desiredNumberScheduled: number;
  readonly numberReady: number;
  readonly updatedNumberScheduled: number;
  readonly numberAvailable: number;
  readonly numberMisscheduled: number;
}

export interface ReplicaSetRow extends Row {
  readonly desired: number;
  readonly current: number;
  readonly ready: number;
}

export interface JobRow extends Row {
  readonly completions: string;
  readonly status: string;
  readonly duration?: string;
}

export interface CronJobRow extends Row {
  readonly schedule: string;
  readonly suspend: boolean;
  readonly active: number;
  readonly lastScheduleTime?: string;
}

export interface AutoscalerRow extends Row {
  readonly target: string;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly currentReplicas: number;
  readonly desiredReplicas: number;
  readonly ready: boolean;
}

export interface DisruptionBudgetRow extends Row {
  readonly minAvailable: string;
  readonly maxUnavailable: string;
  readonly currentHealthy: number;
  readonly desiredHealthy: number;
  readonly expectedPods: number;
  readonly disruptionsAllowed: number;
}

export interface ServicePort {
  readonly name?: string;
  readonly protocol: string;
  readonly port: number;
  readonly targetPort: string;
  readonly nodePort?: number;
}

export interface ServiceRow extends Row {
  readonly type: string;
  readonly clusterIP?: string;
  readonly externalIP?: string;
  readonly ports: readonly ServicePort[];
}

export interface IngressRow extends Row {
  readonly class?: string;
  readonly hosts: readonly string[];
  readonly address?: string;
}

export interface NetworkPolicyRow extends Row {
  readonly podSelector: string;
  readonly policyTypes: readonly string[];
}

export interface SlicePort {
  readonly name?: string;
  readonly protocol?: string;
  readonly port: number;
  readonly appProtocol?: string;
}

export interface EndpointSliceRow extends Row {
  readonly addressType: string;
  readonly ports: readonly SlicePort[];
  readonly serviceName?: string;
  readonly readyCount: number;
  readonly totalCount: number;
}

export interface IngressClassRow extends Row {
  readonly controller: string;
  readonly isDefault: boolean;
}

export interface VolumeRow extends Row {
  readonly status: string;
  readonly storageClass?: string;
  readonly capacity?: string;
  readonly accessModes: readonly string[];
  readonly reclaimPolicy?: string;
}

export interface ClaimRow extends Row {
  readonly status: string;
  readonly storageClass?: string;
  readonly capacity?: string;
  readonly accessModes: readonly string[];
}

export interface StorageClassRow extends Row {
  readonly provisioner: string;
  readonly reclaimPolicy?: string;
  readonly volumeBindingMode?: string;
  readonly allowVolumeExpansion: boolean;
}

export interface NodeRow extends Row {
  readonly status: string;
  readonly roles: readonly string[];
  readonly kubeletVersion: string;
  readonly internalIP: string;
  readonly cpuCapacity: string;
  readonly memoryCapacity: string;
  readonly unschedulable: boolean;
}

export interface NamespaceRow extends Row {
  readonly phase: string;
}

export interface PriorityClassRow extends Row {
  readonly value: number;
  readonly globalDefault: boolean;
  readonly preemptionPolicy: string;
}

export interface RuntimeClassRow extends Row {
  readonly handler: string;
  readonly cpuOverhead: string;
  readonly memoryOverhead: string;
}
