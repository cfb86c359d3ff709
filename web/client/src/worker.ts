// The shared worker: the home of the rows of one session, for all tabs of the browser.

import { Home } from "./home.ts";
import { portOf, type FromTab, type HomePort, type ToTab } from "./messages.ts";

/** What a shared worker's global scope has and a page's has not. */
interface SharedWorkerScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const scope = globalThis as unknown as SharedWorkerScope;
let home: Home | undefined;

scope.onconnect = ({ ports: [channel] }) => {
  if (!channel) return;
  const port: HomePort = portOf<ToTab, FromTab>(channel);
  port.receive = (message) => {
    // The worker's name has the session in it: all who come are of one.
    if (message.t !== "join") return;
    if (!home || home.isOver) home = new Home({ base: message.base, session: message.session });
    home.attach(port);
    port.receive(message);
  };
};
