import { signal } from "@preact/signals-core";
import { html } from "lit";
import type { Alert } from "../wire/contract";
import { Live } from "./live";
import { sentence } from "./sentence";

const said = signal("");
let gathered: Alert[] = [];

/** In a storm one sentence for all that rang within this time: a screen reader that never stops helps nobody. */
const GATHER_MS = 800;

/** Tells a screen reader of an alert that has just begun to ring, if it is critical. */
export function announce(alert: Alert): void {
  if (alert.severity !== "critical") return;
  gathered.push(alert);
  if (gathered.length > 1) return;
  setTimeout(() => {
    said.value = sentence(gathered);
    gathered = [];
  }, GATHER_MS);
}

/** Unseen, heard. */
export class AlertAnnouncer extends Live {
  override render() {
    return html`<div class="unseen" role="log" aria-live="assertive" aria-atomic="true" data-testid="announcer">${said.value}</div>`;
  }
}
customElements.define("alert-announcer", AlertAnnouncer);
