import { signal } from "@preact/signals-core";
import { html } from "lit";
import { Live } from "./live";

interface Notice {
  text: string;
  tone: "said" | "failed";
  link: { label: string; path: string } | null;
}

const SHOWN_MS = 6_000;
const notices = signal<readonly Notice[]>([]);

/** Says something for a few seconds at the edge of the page, and to screen readers. */
export function say(text: string, link: Notice["link"] = null): void {
  show({ text, tone: "said", link });
}

export function complain(error: unknown): void {
  show({ text: error instanceof Error ? error.message : String(error), tone: "failed", link: null });
}

function show(notice: Notice): void {
  notices.value = [...notices.value.slice(-2), notice];
  setTimeout(() => {
    notices.value = notices.value.filter((shown) => shown !== notice);
  }, SHOWN_MS);
}

export class PageNotices extends Live {
  override render() {
    return html`<div role="status" data-testid="notices">
      ${notices.value.map(
        ({ text, tone, link }) => html`<p class="notice" data-tone=${tone}>
          <span>${text}</span>${link ? html` <a href=${link.path}>${link.label}</a>` : ""}
        </p>`,
      )}
    </div>`;
  }
}
customElements.define("page-notices", PageNotices);
