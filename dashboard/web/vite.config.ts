import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** Copies the files of Swagger UI that public/swagger/index.html names beside it: /docs works without another host. */
function swagger(): Plugin {
  const names = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "LICENSE", "NOTICE"];
  return {
    name: "swagger",
    apply: "build",
    generateBundle() {
      for (const name of names) {
        const path = fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`));
        this.emitFile({ type: "asset", fileName: `swagger/${name}`, source: readFileSync(path) });
      }
    },
  };
}

export default defineConfig({
  plugins: [swagger()],
  // The Content-Security-Policy is `default-src 'self'`: no data: URL may be made of a small asset.
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
