/** What the server's routes answer, as far as it is shown. */

export interface AuthConfig {
  readonly authMode: string;
  readonly providerName?: string;
}

export interface Whoami {
  readonly subject: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly mode: string;
  readonly authzMode: string;
  readonly tier?: string;
  readonly expiresAt: number;
}

export interface Features {
  readonly version: string;
  readonly watchStreams: readonly string[];
}

export type ClusterStatus = "healthy" | "degraded" | "unreachable" | "unknown" | "denied";

export interface FleetCluster {
  readonly name: string;
  readonly backend: string;
  readonly region?: string;
  readonly environment?: string;
  readonly kubernetesVersion?: string;
  readonly status: ClusterStatus;
  readonly lastContact: string;
  readonly summary?: {
    readonly nodes: { readonly ready: number; readonly total: number };
    readonly pods: { readonly running: number; readonly pending: number; readonly failed: number; readonly total: number };
    readonly namespaces: number;
    readonly stuckOrFailed: number;
  };
  readonly hotSignals: readonly { readonly kind: string; readonly count: number }[];
  readonly error?: { readonly code: string; readonly message: string };
}

export interface Fleet {
  readonly rollup: { readonly totalClusters: number; readonly byStatus: Readonly<Record<string, number>> };
  readonly clusters: readonly FleetCluster[];
}

export type Accessibility = "ok" | "forbidden" | "unavailable";

export interface Dashboard {
  readonly kubernetesVersion: string;
  readonly provider: string;
  readonly nodeCount: number;
  readonly nodeReadyCount: number;
  readonly podCount: number;
  readonly namespaceCount: number;
  readonly accessibility: Readonly<Record<string, Accessibility>>;
  readonly workloads: Readonly<Record<string, { readonly total: number; readonly healthy: number }>>;
  readonly podPhases: Readonly<Record<"running" | "pending" | "succeeded" | "failed" | "unknown" | "stuck", number>>;
  readonly needsAttention: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly reason: string;
    readonly restartCount?: number;
    readonly phase: string;
  }[];
  readonly storage: {
    readonly pvCount: number;
    readonly pvcBound: number;
    readonly pvcPending: number;
    readonly totalProvisioned?: string;
  };
  readonly stale: boolean;
  readonly asOf: string;
}

/** What has happened, and how often. */
export interface ObjectEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly first: string;
  readonly last: string;
  readonly source: string;
}

export interface StreamLine {
  readonly id: number;
  readonly actor: string;
  readonly cluster: string;
  readonly kind: string;
  readonly namespace: string;
  readonly openedAt: string;
  readonly bytesSent: number;
  readonly lag: number;
  readonly core: number;
  readonly state: string;
}

export interface FeedLine {
  readonly cluster: string;
  readonly kind: string;
  /** Whether its rows have uid, labels and owner. */
  readonly shows?: string;
  /** What narrows it. */
  readonly selector?: string;
  readonly state: string;
  readonly since: string;
  readonly why?: string;
  readonly synced: boolean;
  readonly rows: number;
  readonly eventsIn: number;
  readonly suppressed: number;
  readonly encodings: number;
  readonly lists: number;
  readonly subscribers: number;
  readonly replicaBytes: number;
  readonly journalBytes: number;
}

export interface LimitLine {
  /** `cgroup`: what the kernel lets the process have. */
  readonly setting: string;
  readonly unit: "count" | "bytes";
  /** 0: none. */
  readonly limit: number;
  readonly used: number;
  /** Whoever has so much, where the limit is one of each. */
  readonly by?: string;
}

export interface Limits {
  readonly limits: readonly LimitLine[];
  /** Bytes, by what they are spent on. */
  readonly memory: Readonly<Record<string, number>>;
  /** What is done for want of memory. */
  readonly shedding: "nothing" | "coalescing" | "journals" | "refusing";
  /** Bytes that journals are to give back. */
  readonly shortBy: number;
  /** Streams that were ended since memory was full, and since they took nothing. */
  readonly shed: number;
  readonly stalled: number;
  readonly refused: Readonly<Record<string, number>>;
}
