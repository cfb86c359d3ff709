// What the browser tests stand on: simulated clusters, Foretop before them, and what may stand between Foretop and a browser.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const CLUSTER = "east";
const PATIENCE_MS = 60_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `isSo` returns `true`; whatever else it returned last is in the error. */
export async function eventually(what, isSo, patience = PATIENCE_MS) {
  const until = Date.now() + patience;
  for (;;) {
    const seen = await isSo();
    if (seen === true) return;
    if (Date.now() > until) throw new Error(`${what}: not within ${patience} ms; last seen: ${JSON.stringify(seen).slice(0, 600)}`);
    await pause(100);
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A directory and processes that end with the test. */
export class House {
  constructor(foretop, page) {
    this.foretop = foretop;
    this.page = page;
    this.work = mkdtempSync(join(tmpdir(), "foretop-tabs."));
    this.running = new Set();
    this.closers = [];
  }

  /** Starts a process whose output goes to a file. */
  run(name, command, args, env = {}) {
    const log = join(this.work, `${name}.log`);
    const child = spawn("sh", ["-c", `exec "$0" "$@" >>"${log}" 2>&1`, command, ...args], { env: { ...process.env, ...env } });
    child.ended = new Promise((resolve) => child.once("exit", resolve));
    this.running.add(child);
    child.once("exit", () => this.running.delete(child));
    return { child, log };
  }

  async close(isFailed) {
    for (const close of this.closers) close();
    const ended = [...this.running].map((child) => child.ended);
    for (const child of this.running) child.kill("SIGKILL");
    await Promise.all(ended);
    if (isFailed) console.error(`the logs are in ${this.work}`);
    else rmSync(this.work, { recursive: true, force: true });
  }

  async startSim({ pods = 60, churn = 10 } = {}) {
    const port = await freePort();
    this.kubeconfig = join(this.work, "kubeconfig");
    const { log } = this.run("sim", this.foretop, [
      "sim", "--clusters", "1", "--pods", String(pods), "--churn", String(churn),
      "--listen", `127.0.0.1:${port}`, "--kubeconfig-out", this.kubeconfig,
    ]);
    await eventually("a simulated cluster", () => says(log, "sim-1 is at"));
    this.sim = `http://127.0.0.1:${port}/clusters/sim-1`;
    writeFileSync(
      join(this.work, "clusters.yaml"),
      `clusters:\n  - {name: ${CLUSTER}, backend: kubeconfig, kubeconfigPath: ${this.kubeconfig}, kubeconfigContext: sim-1}\n`,
    );
  }

  /** A replica, which stays at its port through restarts. */
  async startForetop(name = "foretop", port = undefined) {
    const at = port ?? (await freePort());
    writeFileSync(
      join(this.work, `${name}.yaml`),
      `clustersFile: ${this.work}/clusters.yaml
server: {listen: "127.0.0.1:${at}", cores: 2}
auth: {mode: header, header: {trustedPeers: [127.0.0.1/32]}}
authorization: {mode: shared}
console: {dir: ${this.page}}
watch: {prewarm: ["${CLUSTER}/pods"]}
manage: {listen: "off"}
access: {adminGroups: [operators]}
`,
    );
    const { child } = this.run(name, this.foretop, ["serve", "--config", join(this.work, `${name}.yaml`)], { FORETOP_FIXTURES: undefined });
    await eventually("Foretop is ready", async () => (await fetch(`http://127.0.0.1:${at}/readyz`).catch(() => undefined))?.status === 200);
    return { child, port: at, name };
  }

  async kill(replica) {
    replica.child.kill("SIGKILL");
    await replica.child.ended;
  }

  /** The multiplexed streams that a replica has open, as an admin sees them. */
  async streams(replica) {
    const response = await fetch(`http://127.0.0.1:${replica.port}/debug/streams`, {
      headers: { "x-forwarded-user": "admin", "x-forwarded-groups": "operators" },
    });
    // Each of its views has a line too.
    return (await response.json()).filter(({ kind }) => kind === "");
  }

  /** A simulated cluster's own word on a resource: uid → name and labels. */
  async source(resource) {
    const response = await fetch(`${this.sim}/api/v1/${resource}`);
    const { items } = await response.json();
    return new Map(items.map(({ metadata: { uid, name, labels } }) => [uid, { name, labels: labels ?? {} }]));
  }

  async churns(isOn) {
    await fetch(`${this.sim}/_sim/churn`, { method: "POST", body: JSON.stringify({ paused: !isOn }) });
  }

  /** The trusted proxy in front: who signs in gets a cookie, and is named to Foretop. The network can be cut here. */
  async startFront(target) {
    const front = new Front(target);
    await front.start();
    this.closers.push(() => front.close());
    return front;
  }

  async startNginx(target) {
    const port = await freePort();
    const conf = join(this.work, "nginx.conf");
    const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((of) => `${of}_temp_path ${this.work}/nginx.${of};`).join(" ");
    writeFileSync(
      conf,
      `daemon off; pid ${this.work}/nginx.pid; error_log ${this.work}/nginx.log; events {}
http { access_log off; ${temp}
  server { listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${target}; proxy_http_version 1.0; proxy_set_header Host $http_host;
      proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; } } }\n`,
    );
    this.run("nginx", "nginx", ["-c", conf, "-e", join(this.work, "nginx.log")]);
    await eventually("nginx is there", () => answers(port));
    return port;
  }

  /** HAProxy before one replica or several, which it asks in turn. */
  async startHaproxy(targets, { timeout = "10s" } = {}) {
    const port = await freePort();
    const servers = targets.map((target, index) => `  server s${index} 127.0.0.1:${target}`).join("\n");
    writeFileSync(
      join(this.work, `haproxy-${port}.cfg`),
      `defaults\n  mode http\n  timeout connect 5s\n  timeout client ${timeout}\n  timeout server ${timeout}\n` +
        `frontend f\n  bind 127.0.0.1:${port}\n  default_backend b\nbackend b\n  balance roundrobin\n${servers}\n`,
    );
    this.run(`haproxy-${port}`, "haproxy", ["-db", "-f", join(this.work, `haproxy-${port}.cfg`)]);
    await eventually("HAProxy is there", () => answers(port));
    return port;
  }
}

function says(log, text) {
  try {
    return readFileSync(log, "utf8").includes(text);
  } catch {
    return false;
  }
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    setTimeout(() => socket.end(), 50);
  });

/** `/sign-in?user=` and `/sign-out` are its own; all else goes to Foretop. */
class Front {
  constructor(target) {
    this.target = target;
    this.isCut = false;
    this.sockets = new Set();
  }

  async start() {
    this.server = createHttpServer((request, response) => this.#answer(request, response));
    this.server.on("connection", (socket) => {
      if (this.isCut) return socket.destroy();
      this.sockets.add(socket);
      socket.once("close", () => this.sockets.delete(socket));
      return undefined;
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://localhost:${this.port}`;
  }

  /** No connection is left, and none is made. */
  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }

  #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
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
