import { signal } from "@preact/signals-core";
import { html } from "lit";
import { icon } from "./icons";
import { KEYS } from "./keyboard";
import { Live } from "./live";

const asked = signal(false);

export function askHelp(): void {
  asked.value = true;
}

export class KeyboardHelp extends Live {
  override render() {
    asked.value;
    return html`<dialog class="dialog" aria-labelledby="help-title" data-testid="help" @close=${() => (asked.value = false)}>
      <header>
        <h2 id="help-title">Keyboard</h2>
        <form method="dialog"><button class="bare" aria-label="Close">${icon("close")}</button></form>
      </header>
      <dl class="keys">
        ${KEYS.map(([keys, meaning]) => html`<dt>${keys.split(/\s+/).map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${meaning}</dd>`)}
      </dl>
    </dialog>`;
  }

  override updated(): void {
    const dialog = this.querySelector("dialog");
    if (asked.peek() && !dialog?.open) dialog?.showModal();
  }
}
customElements.define("keyboard-help", KeyboardHelp);
