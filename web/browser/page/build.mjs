// Builds of the page with the worker beside it, for `foretop --console`: `this` one, `again` one of the same version that is not the same to the byte,
// and a `next` one, whose tabs and worker speak another version.
//   node build.mjs OUT
import { fileURLToPath } from "node:url";
import { build } from "vite";

const [out] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** What another version differs in. */
const NEXT = [
  [/client\/src\/messages\.ts$/, "MESSAGES = 1;", "MESSAGES = 2;"],
  [/client\/src\/client\.ts$/, "foretop-worker-v1.js", "foretop-worker-v2.js"],
];

const nextVersion = {
  name: "next version",
  enforce: "pre",
  transform(code, id) {
    const found = NEXT.find(([file]) => file.test(id));
    if (!found) return undefined;
    const [, is, becomes] = found;
    if (!code.includes(is)) throw new Error(`${id} does not say ${is}`);
    return code.replace(is, becomes);
  },
};

const named = (name) => ({
  name: "named",
  transform: (code, id) => (/\/(main|worker)\.ts$/.test(id) ? `${code}\nglobalThis.build = "${name}";` : undefined),
});

for (const { name, version, plugins } of [
  { name: "this", version: 1, plugins: [] },
  { name: "again", version: 1, plugins: [named("again")] },
  { name: "next", version: 2, plugins: [nextVersion] },
]) {
  const common = { configFile: false, logLevel: "error", plugins, resolve: { conditions: ["source", "module", "browser", "development|production"] } };
  await build({ ...common, root: here("."), build: { outDir: `${out}/${name}`, emptyOutDir: true, modulePreload: false } });
  await build({
    ...common,
    root: here("../../client"),
    build: {
      outDir: `${out}/${name}`,
      emptyOutDir: false,
      target: "es2022",
      lib: { entry: "src/worker.ts", formats: ["iife"], name: "foretop", fileName: () => `foretop-worker-v${version}.js` },
    },
  });
}
