export type { Change, Client, ClientOptions, Health, Listed, Listener, Phase, Row, State, ViewSpec, Watch } from "./types.ts";
