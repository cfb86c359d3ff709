export { createClient } from "./client.ts";
export { Refused } from "./refused.ts";
export { viewKey } from "./spec.ts";
export type { Change, Client, ClientOptions, Health, Listed, Listener, Phase, Row, State, ViewSpec, Watch } from "./types.ts";
