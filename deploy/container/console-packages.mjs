// The npm packages that end up in the console, as CycloneDX components, one a line: what `console` depends on by web/package-lock.json, its own packages left out.
//
// usage: node console-packages.mjs LOCKFILE
import { readFileSync } from "node:fs";

const { packages } = JSON.parse(readFileSync(process.argv[2], "utf8"));

// Where Node finds a package that is asked for from `place`: the nearest folder above that has it.
function found(name, place) {
  for (let at = place; ; at = at.slice(0, Math.max(at.lastIndexOf("/node_modules/"), 0))) {
    const candidate = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (packages[candidate]) return packages[candidate].link ? packages[candidate].resolved : candidate;
    if (at === "") throw new Error(`the lockfile has no ${name}, which ${place} needs`);
  }
}

const reached = new Set();
function follow(place) {
  if (reached.has(place)) return;
  reached.add(place);
  const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = packages[place];
  const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
  for (const name of [...Object.keys(dependencies), ...peers]) follow(found(name, place));
}
follow("console");

for (const place of [...reached].sort()) {
  const at = place.lastIndexOf("node_modules/");
  if (at < 0) continue;
  const name = place.slice(at + "node_modules/".length);
  const { version, integrity, license } = packages[place];
  const [algorithm, digest] = integrity.split("-");
  if (algorithm !== "sha512") throw new Error(`${place} is held to no SHA-512`);
  const content = Buffer.from(digest, "base64").toString("hex");
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  const component = { type: "library", name, version, purl, hashes: [{ alg: "SHA-512", content }] };
  console.log(JSON.stringify(license ? { ...component, licenses: [{ expression: license }] } : component));
}
