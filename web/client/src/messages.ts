// What tabs and the place where rows are kept say to each other.

import type { News } from "./news.ts";
import type { Health, Row } from "./types.ts";

/** Of these messages. Another version has workers, locks and channels of other names; within one, what is not known is ignored. */
export const MESSAGES = 1;

/** What a tab says. */
export type FromTab =
  /** First. `lock` is the Web Lock that the tab holds as long as it lives, where there are such. */
  | { readonly t: "join"; readonly v: number; readonly base: string; readonly session: string; readonly lock: string | null; readonly visible: boolean }
  | { readonly t: "watch"; readonly id: number; readonly key: string }
  | { readonly t: "close"; readonly id: number }
  | { readonly t: "visible"; readonly visible: boolean }
  /** Drop everything, for everybody. */
  | { readonly t: "forget" }
  | { readonly t: "bye" };

/** Why rows were dropped. */
export type Ending =
  /** There is no session any more. */
  | "signed_out"
  /** The session is another person's. */
  | "session_changed"
  /** A tab asked for it. */
  | "forgotten"
  /** The place where rows were kept is another version's, or is no more. */
  | "closed";

/** What a tab is told. `id` is the tab's own name for a watch. */
export type ToTab =
  /** All rows follow; `done` says when they are there. */
  | { readonly t: "begin"; readonly id: number }
  | { readonly t: "rows"; readonly id: number; readonly put: readonly Row[]; readonly removed: readonly string[] }
  | { readonly t: "done"; readonly id: number }
  | { readonly t: "news"; readonly id: number; readonly news: News }
  | { readonly t: "health"; readonly health: Omit<Health, "home"> }
  /** Nothing follows. Every row is to be dropped before anything else is shown. */
  | { readonly t: "ended"; readonly why: Ending };

/** One end of a line between a tab and the place where rows are kept. */
export interface Port<Out, In> {
  send(message: Out): void;
  /** Set once, by who has the port. */
  receive: (message: In) => void;
  close(): void;
}

/** The tab's end, and the other. */
export type TabPort = Port<FromTab, ToTab>;
export type HomePort = Port<ToTab, FromTab>;

const deaf = () => {};

/** Both ends of a line within one page. What is sent arrives soon, never at once. */
export function pair(): [TabPort, HomePort] {
  const tab: TabPort = { send: (message) => queueMicrotask(() => home.receive(message)), receive: deaf, close: () => (tab.receive = deaf) };
  const home: HomePort = { send: (message) => queueMicrotask(() => tab.receive(message)), receive: deaf, close: () => (home.receive = deaf) };
  return [tab, home];
}

/** An end of a channel between two contexts of the browser. */
export function portOf<Out, In>(channel: MessagePort | BroadcastChannel): Port<Out, In> {
  const port: Port<Out, In> = {
    send: (message) => channel.postMessage(message),
    receive: deaf,
    close: () => {
      channel.close();
      port.send = deaf;
    },
  };
  channel.onmessage = ({ data }: MessageEvent<In>) => port.receive(data);
  return port;
}
