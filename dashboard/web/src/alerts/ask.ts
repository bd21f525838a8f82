import { signal } from "@preact/signals-core";
import { html } from "lit";
import { plant } from "../plant/plant";
import { formatCount } from "../reading/number";
import { icon, severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { paths } from "../shell/route";
import { type AlertAction, api } from "../wire/api";
import type { Alert } from "../wire/contract";
import { whatOf } from "./words";

interface Question {
  action: "ack" | "reset" | "shelve" | "out_of_service" | "comment";
  alerts: readonly [Alert, ...Alert[]];
}

const question = signal<Question | null>(null);

const WORDS = {
  ack: { title: "Acknowledge", done: "Acknowledged", hint: "What is being done about it? (optional)" },
  reset: { title: "Reset", done: "Reset", hint: "What was the matter? (optional)" },
  out_of_service: {
    title: "Out of service",
    done: "Taken out of service:",
    hint: "Why does nobody need to hear it? (optional)",
  },
  shelve: { title: "Shelve", done: "Shelved", hint: "Why may it wait? (optional)" },
  comment: { title: "Comment", done: "Commented on", hint: "What should the next person know?" },
} as const;

/** Shelving times. Nothing is shelved for ever. */
const SHELVE_FOR: readonly [minutes: number, label: string][] = [
  [15, "15 minutes"],
  [60, "1 hour"],
  [480, "8 hours"],
  [1440, "24 hours"],
];

/** Opens the dialog that asks for a note, one for all alerts that are given. */
export function ask(action: Question["action"], ...alerts: Alert[]): void {
  const [first, ...others] = alerts;
  if (first) question.value = { action, alerts: [first, ...others] };
}

/** As many as one request may be about. */
const AT_ONCE = 2_500;

/** Does one thing to many alerts, each part of them in one request. */
async function actOnAll(
  alerts: readonly Alert[],
  action: Question["action"],
  body: { note?: string; until?: string },
): Promise<void> {
  let done = 0;
  try {
    for (let i = 0; i < alerts.length; i += AT_ONCE) {
      const ids = alerts.slice(i, i + AT_ONCE).map(({ id }) => id);
      const { changed } = await api.alerts(action, { alerts: ids, ...body });
      for (const alert of changed) plant.alerts.take(alert);
      done += changed.length;
    }
    const left = alerts.length - done;
    say(
      `${WORDS[action].done} ${formatCount(done)} alerts.${left ? ` ${formatCount(left)} had moved on meanwhile.` : ""}`,
    );
  } catch (error) {
    complain(error);
  }
}

/** Does it and shows the server's answer at once; the stream tells the other viewers. */
export async function act(
  alert: Alert,
  action: AlertAction,
  body: { note?: string; until?: string } = {},
): Promise<void> {
  try {
    const answer = await api.alert(alert.id, action, body);
    if (answer?.id) plant.alerts.take(answer);
    const done = action in WORDS ? WORDS[action as Question["action"]].done : "Back in service:";
    say(`${done} ${alert.subject}: ${alert.rule}.`, { label: "Details", path: paths.alert(alert.id) });
  } catch (error) {
    complain(error);
  }
}

/** Asks for a note before an alert is acknowledged, shelved or commented on. */
export class AlertQuestion extends Live {
  override render() {
    const asked = question.value;
    const { title, hint } = WORDS[asked?.action ?? "ack"];
    const first = asked?.alerts[0];
    const count = asked?.alerts.length ?? 0;
    return html`<dialog class="dialog" aria-labelledby="alert-question-title" data-testid="alert-dialog"
      @close=${() => (question.value = null)} @click=${this.#leave}>
      ${
        asked && first
          ? html`<form method="dialog" @submit=${this.#submit}>
            <header>
              <h2 id="alert-question-title">${title} ${severityIcon(first.severity)} ${count > 1 ? `${formatCount(count)} alerts` : first.subject}</h2>
              <button type="button" class="bare" aria-label="Close" @click=${() => this.#dialog.close()}>${icon("close")}</button>
            </header>
            <p class="dim">${count > 1 ? html`All of <b>${first.rule}</b> that are listed now, with one note: ${first.subject}, ${asked.alerts[1]?.subject}${count > 2 ? ` and ${formatCount(count - 2)} more` : ""}.` : whatOf(first)}</p>
            ${
              asked.action === "shelve"
                ? html`<fieldset class="choices">
                  <legend>For how long</legend>
                  ${SHELVE_FOR.map(
                    ([minutes, label], i) => html`<label>
                      <input type="radio" name="minutes" value=${minutes} ?checked=${i === 1}><span>${label}</span>
                    </label>`,
                  )}
                </fieldset>`
                : ""
            }
            <label class="field">
              <span>Note</span>
              <textarea name="note" rows="2" maxlength="1000" placeholder=${hint} ?required=${asked.action === "comment"}
                data-testid="alert-note" @keydown=${submitOnEnter}></textarea>
            </label>
            <footer>
              <button type="button" @click=${() => this.#dialog.close()}>Cancel</button>
              <button class="primary" data-testid="alert-confirm">${title}</button>
            </footer>
          </form>`
          : ""
      }
    </dialog>`;
  }

  override updated(): void {
    if (question.peek() && !this.#dialog.open) {
      this.#dialog.showModal();
      this.querySelector("textarea")?.focus();
    }
  }

  get #dialog(): HTMLDialogElement {
    return this.querySelector("dialog") as HTMLDialogElement;
  }

  readonly #leave = (event: Event): void => {
    if (event.target === this.#dialog) this.#dialog.close();
  };

  readonly #submit = (event: SubmitEvent): void => {
    const asked = question.peek();
    if (!asked) return;
    const given = new FormData(event.target as HTMLFormElement);
    const note = String(given.get("note") ?? "").trim();
    const body: { note?: string; until?: string } = note ? { note } : {};
    if (asked.action === "shelve") {
      body.until = new Date(Date.now() + Number(given.get("minutes")) * 60_000).toISOString();
    }
    if (asked.alerts.length > 1) void actOnAll(asked.alerts, asked.action, body);
    else void act(asked.alerts[0], asked.action, body);
  };
}
customElements.define("alert-question", AlertQuestion);

/** Enter sends a note, Shift+Enter begins a new line. */
function submitOnEnter(event: KeyboardEvent): void {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.target as HTMLTextAreaElement).form?.requestSubmit();
}
