// The page of the browser tests, with the worker beside it, for `foretop --console`.
import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here("."),
  resolve: { conditions: ["source", "module", "browser", "development|production"] },
  build: { outDir: here("../dist"), emptyOutDir: true, modulePreload: false },
  plugins: [
    {
      name: "worker",
      closeBundle: () => copyFileSync(here("../../client/dist/foretop-worker-v1.js"), here("../dist/foretop-worker-v1.js")),
    },
  ],
});
