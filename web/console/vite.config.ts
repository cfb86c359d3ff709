import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const DIST = join(import.meta.dirname, "dist");
const WORKER = "foretop-worker-v1.js";

/** Beside each file its compressed forms: the server has them in its binary, and compresses nothing. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      copyFileSync(join(import.meta.dirname, "../client/dist", WORKER), join(DIST, WORKER));
      for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
        if (/\.(html|js|css|svg)$/.test(name)) compress(join(DIST, name));
      }
      // The directory is in the repository, empty: see build.rs.
      writeFileSync(join(DIST, ".gitignore"), "# What is built here goes into the binary, and not into the repository.\n*\n!.gitignore\n");
    },
  };
}

function compress(file: string): void {
  const bytes = readFileSync(file);
  writeFileSync(`${file}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
  writeFileSync(`${file}.gz`, gzipSync(bytes, { level: 9 }));
}

export default defineConfig({
  plugins: [react(), compressed()],
  resolve: { conditions: ["source", "module", "browser", "development|production"] },
  build: { modulePreload: { polyfill: false }, assetsInlineLimit: 0, reportCompressedSize: false },
  // Beside a server of one's own: `foretop demo`.
  server: { proxy: { "/api": "http://localhost:8080", "/debug": "http://localhost:8080", [`/${WORKER}`]: "http://localhost:8080" } },
});
