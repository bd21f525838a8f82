import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/**
 * Copies the files of Swagger UI that public/swagger/index.html names beside it: /docs works without another host. The
 * pictures in its style sheet become files too: the Content-Security-Policy `default-src 'self'` allows no data: URL.
 */
function swagger(): Plugin {
  const read = (name: string) => readFileSync(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)));
  return {
    name: "swagger",
    apply: "build",
    generateBundle() {
      const emit = (name: string, source: string | Uint8Array) =>
        this.emitFile({ type: "asset", fileName: `swagger/${name}`, source });
      for (const name of ["swagger-ui-bundle.js", "LICENSE", "NOTICE"]) emit(name, read(name));
      let pictures = 0;
      const styles = read("swagger-ui.css")
        .toString()
        .replace(DATA_URL, (_url, quoted?: string, plain?: string) => {
          const [, kind = "", base64, data = ""] =
            /^data:image\/([a-z]+)[^,]*?(;base64)?,(.*)$/s.exec(quoted ?? plain ?? "") ?? [];
          const name = `picture-${++pictures}.${kind}`;
          emit(name, base64 ? Buffer.from(data, "base64") : decodeURIComponent(data.replaceAll('\\"', '"')));
          return `url(${name})`;
        });
      emit("swagger-ui.css", styles);
    },
  };
}

const DATA_URL = /url\((?:"(data:(?:[^"\\]|\\.)*)"|(data:[^)]*))\)/g;

/** Ships the licences of what is bundled, as they ask for. */
function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle() {
      const texts = ["lit", "@preact/signals-core", "uplot", "@fontsource-variable/inter"].map((name) => {
        const text = readFileSync(new URL(`node_modules/${name}/LICENSE`, import.meta.url), "utf8");
        return `${name}\n\n${text.trim()}\n`;
      });
      this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join("\n\n") });
    },
  };
}

export default defineConfig({
  plugins: [swagger(), licences()],
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
