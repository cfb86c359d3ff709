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

/** What tabs say to all others of one session, where one of them leads. */
type Notice = { readonly here: string } | { readonly leads: string };

/** For the whole browser, in the tab that holds a lock; the next in the queue when it is no more. */
export function inLeader(name: string, me: string, options: HomeOptions, guest: Guest): Lodging {
  const calledOff = new AbortController();
  const notices = new BroadcastChannel(name);
  const say = (notice: Notice) => notices.postMessage(notice);
  let home: Home | undefined;
  let mine: TabPort | undefined = portOf<FromTab, ToTab>(new BroadcastChannel(`${name}:${me}`));
  const others = new Map<string, HomePort>();

  const welcome = (other: string) => {
    others.get(other)?.close();
    const port = portOf<ToTab, FromTab>(new BroadcastChannel(`${name}:${other}`));
    others.set(other, port);
    home?.attach(port);
  };
  notices.onmessage = ({ data }: MessageEvent<Notice>) => {
    if ("here" in data && home) welcome(data.here);
    else if ("leads" in data && mine) {
      listen(mine);
      say({ here: me });
    }
  };
  // The leader's first word says that it listens.
  const listen = (port: TabPort) => (port.receive = () => guest.moved(port));
  listen(mine);
  say({ here: me });
  const lead = (release: () => void) => {
    if (calledOff.signal.aborted) return release();
    calledOff.signal.addEventListener("abort", release);
    mine?.close();
    mine = undefined;
    home = new Home(options);
    const [tab, port] = pair();
    home.attach(port);
    guest.moved(tab);
    say({ leads: me });
  };
  hold(name, calledOff.signal).then(({ release }) => lead(release), () => {});
  return {
    close: () => {
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
