// The shared worker as one file that any page can load: `dist/foretop-worker-v1.js`. The library itself is built by tsc.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "dist",
    emptyOutDir: false,
    target: "es2022",
    lib: { entry: "src/worker.ts", formats: ["iife"], name: "foretop", fileName: () => "foretop-worker-v1.js" },
  },
});
