// What stands between a browser and Foretop: a network that can be cut or fall silent, and a proxy that says who asks.

import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createConnection, createServer } from "node:net";

/** Passes bytes on, both ways, to what listens at a port. */
export class Network {
  #isCut = false;
  #isSilent = false;
  #held = [];
  #sockets = new Set();
  #server = createServer((socket) => this.#accept(socket));

  /** Where browsers find it. What is behind it can be said later. */
  async start(target) {
    this.target = target;
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = this.#server.address().port;
    this.url = `http://localhost:${this.port}`;
  }

  /** No connection is left, and none is made. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections stay and are made, and nothing gets through: nobody is told. */
  silence() {
    this.#isSilent = true;
  }

  /** What was held back by a silence arrives. */
  mend() {
    this.#isCut = false;
    this.#isSilent = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  close() {
    this.cut();
    this.#server.close();
  }

  #accept(socket) {
    if (this.#isCut) return socket.destroy();
    const onward = createConnection(this.target, "127.0.0.1");
    this.#join(socket, onward);
    this.#join(onward, socket);
    return undefined;
  }

  #join(from, to) {
    const soon = (pass) => (this.#isSilent ? this.#held.push(pass) : pass());
    this.#sockets.add(from);
    from.on("data", (bytes) => soon(() => to.write(bytes)));
    from.on("end", () => soon(() => to.end()));
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      soon(() => to.destroy());
    });
  }
}

/** A trusted proxy: who signs in gets a cookie, and is named to Foretop. `/sign-in?user=` and `/sign-out` are its own; all else goes to Foretop. */
export class Front {
  #server = createHttpServer((request, response) => this.#answer(request, response));

  constructor(target) {
    /** A port; it can be another one for what comes next. */
    this.target = target;
  }

  async start() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.port = this.#server.address().port;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, "http://front");
    if (pathname === "/sign-in") return signs(response, `user=${searchParams.get("user")}; Path=/; SameSite=Lax`);
    if (pathname === "/sign-out") return signs(response, "user=; Path=/; Max-Age=0");
    const user = /(?:^|; )user=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    const { cookie: _, ...headers } = request.headers;
    const asked = httpRequest(
      { host: "127.0.0.1", port: this.target, method: request.method, path: request.url, headers: { ...headers, ...(user && { "x-forwarded-user": user }) } },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.on("error", () => response.destroy());
        answer.on("aborted", () => response.destroy());
        answer.pipe(response);
      },
    );
    asked.on("error", () => response.destroy());
    response.on("close", () => asked.destroy());
    request.pipe(asked);
    return undefined;
  }
}

function signs(response, cookie) {
  response.writeHead(200, { "set-cookie": cookie, "content-type": "text/html" });
  response.end("<!doctype html><title>done</title>");
}
