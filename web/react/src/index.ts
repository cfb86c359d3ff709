export { FreshnessBadge, freshnessText } from "./badge.tsx";
export { ForetopProvider, useForetop } from "./context.tsx";
export { useResourceList, useStreamHealth } from "./hooks.ts";
export { listKey, listQuery, type ResourceList } from "./list.ts";
