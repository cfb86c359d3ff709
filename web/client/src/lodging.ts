// Where the home of the rows may be: in a shared worker, in a leader tab, or in this tab alone.

import { Home, type HomeOptions } from "./home.ts";
import { hold } from "./locks.ts";
import { pair, portOf, type FromTab, type HomePort, type TabPort, type ToTab } from "./messages.ts";

/** Who looks for a home. */
export interface Guest {
  /** A home is there: the first, or another in the place of one that is no more. */
  moved(port: TabPort): void;
  /** There is none to be had in this way. */
  failed(): void;
}

/** A home as one tab has it. */
export interface Lodging {
  /** Leaves it: others may stay. */
  close(): void;
}

/** A worker that has not said a word after so long does not work. */
const WORKER_SAYS_MS = 10_000;

/** For the whole browser, in a shared worker. */
export function inWorker(url: string, name: string, guest: Guest): Lodging {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const fail = () => {
    clearTimeout(timer);
    guest.failed();
  };
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(url, { name });
  } catch {
    queueMicrotask(fail);
    return { close: () => {} };
  }
  timer = setTimeout(fail, WORKER_SAYS_MS);
  worker.onerror = fail;
  const port = portOf<FromTab, ToTab>(worker.port);
  const hear = worker.port.onmessage;
  worker.port.onmessage = (message) => {
    clearTimeout(timer);
    worker.port.onmessage = hear;
    hear?.call(worker.port, message);
  };
  queueMicrotask(() => guest.moved(port));
  return {
    close: () => {
      clearTimeout(timer);
      worker.onerror = null;
      port.close();
    },
  };
}

/** What tabs say to all others of one session, where one of them leads. `here` without `to`: who leads? */
type Notice = { readonly here: string; readonly to?: string } | { readonly leads: string };

/** Who has no home after so long asks again. */
const ASK_AGAIN_MS = 2_000;

/**
 * For the whole browser, in the tab that holds a lock; the next in the queue when it is no more. `me` is nobody else's, and not what this tab was called before.
 *
 * Each tab has a line of its own to each leader, by both their names: what one leader said is never taken for another's, in whatever order words arrive.
 */
export function inLeader(name: string, me: string, options: HomeOptions, guest: Guest): Lodging {
  const calledOff = new AbortController();
  const notices = new BroadcastChannel(name);
  const say = (notice: Notice) => notices.postMessage(notice);
  const line = <Out, In>(leader: string, tab: string) => portOf<Out, In>(new BroadcastChannel(`${name}:${leader}:${tab}`));
  let home: Home | undefined;
  const others = new Map<string, HomePort>();
  let mine: TabPort | undefined;
  let leader = "";
  let isMoved = false;

  const follow = (to: string) => {
    mine?.close();
    leader = to;
    isMoved = false;
    const port = (mine = line<FromTab, ToTab>(to, me));
    // The leader's first word says that it listens.
    port.receive = () => {
      isMoved = true;
      guest.moved(port);
    };
    say({ here: me, to });
  };
  notices.onmessage = ({ data }: MessageEvent<Notice>) => {
    if ("leads" in data) {
      if (!home && !(isMoved && data.leads === leader)) follow(data.leads);
    } else if (home && data.to === me) {
      const port = others.get(data.here) ?? line<ToTab, FromTab>(me, data.here);
      others.set(data.here, port);
      home.attach(port);
    } else if (home) say({ leads: me });
  };
  const ask = () => home || isMoved || say({ here: me });
  const asking = setInterval(ask, ASK_AGAIN_MS);
  ask();
  const lead = (release: () => void) => {
    if (calledOff.signal.aborted) return release();
    calledOff.signal.addEventListener("abort", release);
    mine?.close();
    home = new Home(options);
    const [tab, port] = pair();
    home.attach(port);
    guest.moved(tab);
    say({ leads: me });
  };
  hold(name, calledOff.signal).then(({ release }) => lead(release), () => {});
  return {
    close: () => {
      clearInterval(asking);
      home?.stop();
      calledOff.abort();
      for (const port of others.values()) port.close();
      mine?.close();
      notices.close();
    },
  };
}

/** For this tab. */
export function alone(options: HomeOptions, guest: Guest): Lodging {
  const home = new Home(options);
  const [tab, port] = pair();
  home.attach(port);
  queueMicrotask(() => guest.moved(tab));
  return { close: () => home.stop() };
}
