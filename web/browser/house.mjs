// What the browser tests stand on: simulated clusters, Foretop before them, and what may stand between Foretop and a browser.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventually } from "../../tests/browser/steps.mjs";
import { Front, Network } from "./network.mjs";

export const CLUSTER = "east";

/** Who may see what by the clusters' own roles, in which users have the names by which they sign in. */
export const BY_ROLES = {
  authorization: { mode: "raw", groupPrefix: "", allowUnprefixed: true },
  access: { adminGroups: ["operators"], watchRbac: true },
};

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A directory and processes that end with the test. `builds` are directories with pages, `modules` where the provider's packages are. */
export class House {
  constructor({ foretop, builds, modules }) {
    this.foretop = foretop;
    this.builds = builds;
    this.modules = modules;
    this.work = mkdtempSync(join(tmpdir(), "foretop-tabs."));
    this.running = new Set();
    this.closers = [];
  }

  /** Starts a process whose output goes to a file. */
  run(name, command, args, { env = {}, cwd } = {}) {
    const log = join(this.work, `${name}.log`);
    const child = spawn("sh", ["-c", `exec "$0" "$@" >>"${log}" 2>&1`, command, ...args], { cwd, env: { ...process.env, ...env } });
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

  async startSim({ pods = 60, churn = 10, byRoles = false } = {}) {
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
    if (byRoles) await this.tell("rbac", { on: true });
  }

  /** Tells the simulated cluster to do something. */
  async tell(what, body, method = "POST") {
    const response = await fetch(`${this.sim}/_sim/${what}`, { method, ...(body && { body: JSON.stringify(body) }) });
    if (!response.ok) throw new Error(`${method} _sim/${what}: ${response.status} ${await response.text()}`);
  }

  churns(isOn) {
    return this.tell("churn", { paused: !isOn });
  }

  /** Lets a user list and watch these resources of the core group, in one namespace or all. */
  async binds(user, name, resources, namespace) {
    const group = "rbac.authorization.k8s.io";
    await this.tell("objects/clusterroles", { metadata: { name }, rules: [{ verbs: ["list", "watch"], apiGroups: [""], resources }] });
    await this.tell(`objects/${namespace ? "rolebindings" : "clusterrolebindings"}`, {
      metadata: { name, namespace },
      subjects: [{ kind: "User", apiGroup: group, name: user }],
      roleRef: { apiGroup: group, kind: "ClusterRole", name },
    });
  }

  unbinds(name, namespace) {
    return this.tell(`objects/${namespace ? `rolebindings/${namespace}` : "clusterrolebindings"}/${name}`, undefined, "DELETE");
  }

  /** A simulated cluster's own word on a resource: uid → name and labels. */
  async source(resource, isSeen = () => true) {
    const response = await fetch(`${this.sim}/api/v1/${resource}`);
    const { items } = await response.json();
    const seen = items.map(({ metadata }) => metadata).filter(isSeen);
    return new Map(seen.map(({ uid, name, labels }) => [uid, { name, labels: labels ?? {} }]));
  }

  /** A replica, which stays at its port through restarts. `settings` go over those that are here. */
  async startForetop({ name = "foretop", port, page = this.builds.this, settings = {} } = {}) {
    const at = port ?? (await freePort());
    const config = {
      clustersFile: join(this.work, "clusters.yaml"),
      auth: { mode: "header", header: { trustedPeers: ["127.0.0.1/32"] } },
      authorization: { mode: "shared" },
      console: { dir: page },
      watch: { prewarm: [`${CLUSTER}/pods`] },
      manage: { listen: "off" },
      access: { adminGroups: ["operators"] },
      ...settings,
      server: { listen: `127.0.0.1:${at}`, cores: 2, ...settings.server },
    };
    writeFileSync(join(this.work, `${name}.yaml`), JSON.stringify(config, null, 2));
    const { child } = this.run(name, this.foretop, ["serve", "--config", join(this.work, `${name}.yaml`)], { env: { FORETOP_FIXTURES: undefined } });
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

  async startNetwork(target) {
    const network = new Network();
    await network.start(target);
    this.closers.push(() => network.close());
    return network;
  }

  async startFront(target) {
    const front = new Front(target);
    await front.start();
    this.closers.push(() => front.close());
    return front;
  }

  /** An identity provider for the Foretop at `url`, and the settings by which it is one. */
  async startProvider(url) {
    const port = await freePort();
    const env = { PORT: String(port), FORETOP_URL: url };
    const { log } = this.run("provider", "node", ["provider.mjs"], { env, cwd: this.modules });
    await eventually("a provider", () => says(log, "provider at"));
    const secret = (name, text) => {
      writeFileSync(join(this.work, name), text);
      return join(this.work, name);
    };
    mkdirSync(join(this.work, "state"));
    return {
      auth: {
        mode: "oidc",
        oidc: { issuer: `http://localhost:${port}`, clientId: "foretop", clientSecretFile: secret("client-secret", "not-so-secret") },
        session: { keys: [secret("session.key", randomBytes(48).toString("base64"))] },
      },
      state: { dir: join(this.work, "state") },
    };
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
