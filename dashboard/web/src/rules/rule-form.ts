import { computed, signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { keyed } from "lit/directives/keyed.js";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatTime } from "../reading/age";
import { byName } from "../reading/groups";
import { formatCount } from "../reading/number";
import { readTags, selects, writeTags } from "../reading/tags";
import { icon, severityIcon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { go, paths } from "../shell/route";
import { ApiError, api, type FieldError } from "../wire/api";
import { millis, type Rule, type RuleText, type RuleVersion, SEVERITIES, type Tags } from "../wire/contract";
import "./condition-words";
import "./deleted-meanwhile";
import "./rule-explanation";
import "./rule-meanwhile";
import "./rule-preview";
import "./rule-versions";
import { columnOf, EMPTY, isEditable, pointer, readForm, sourceOf, textOf } from "./draft";
import { type Begun, merged } from "./meanwhile";

/** The devices that a rule is for, as far as they are known. */
function devicesOf(rule: { devices: string; tags?: Tags }): string[] {
  return plant.fleet.ids.value.filter((id) => selects(rule, id, plant.fleet.get(id)?.tags ?? {}));
}

/** A rule to read, change or delete, or one to add. */
export class RuleForm extends Live {
  static override properties = {
    rule: { attribute: false },
    isNew: { type: Boolean },
    isGone: { type: Boolean },
    deleted: { attribute: false },
  };
  declare rule: RuleText | Rule;
  declare isNew: boolean;
  /** Whether the rule was deleted while somebody was writing here. */
  declare isGone: boolean;
  /** How the rule went that is brought back here. */
  declare deleted: RuleVersion | undefined;

  readonly #errors = signal<readonly FieldError[]>([]);
  readonly #other = signal("");
  /** What is wrong with what is being written, or looks so. */
  readonly #slips = signal<readonly FieldError[]>([]);
  readonly #devices = signal("*");
  readonly #tags = signal<Tags>({});
  readonly #saving = signal(false);
  /** What was put into the form, as an earlier version. A form of its own each time: what was typed before is gone. */
  readonly #taken = signal<{ text: RuleText; version: number | null; count: number } | null>(null);
  /** Whether it is being deleted from here: then nobody needs what was typed. */
  #deleting = false;
  /** The rule as it was when somebody began to write. */
  #begun: Begun = { text: EMPTY, version: undefined };
  /** What the form said when the server refused it: that stays in red until something else is written. */
  #refused: RuleText | null = null;
  /** What the form says, once somebody has written in it. */
  readonly #draft = signal<RuleText | null>(null);
  readonly #matched = computed(() => devicesOf({ devices: this.#devices.value, tags: this.#tags.value }).sort(byName));

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get("rule") as RuleText | undefined;
    if (changed.has("rule") && before?.name !== this.rule.name) {
      this.#errors.value = [];
      this.#other.value = "";
      this.#devices.value = this.rule.devices;
      this.#tags.value = this.rule.tags ?? {};
      this.#draft.value = null;
      this.#taken.value = null;
    }
    // Who has written nothing sees what is in force; what was written stays, whoever changes the rule.
    if (changed.has("rule") && this.#draft.peek() === null) this.#begin(this.rule);
  }

  /** Whether it holds what somebody typed and has not saved. */
  get isWritten(): boolean {
    return this.#draft.value !== null && !this.#deleting;
  }

  #begin(rule: RuleText | Rule): void {
    this.#begun = { text: textOf(rule), version: "source" in rule ? rule.version : undefined };
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("isNew") || !this.isNew || this.isGone) return;
    // On a phone that would bring up the keyboard before anything was read.
    if (matchMedia("(pointer: fine)").matches) this.querySelector<HTMLElement>("[name=name]")?.focus();
  }

  override render() {
    const taken = this.#taken.value;
    const rule = taken && this.#draft.value ? taken.text : this.#begun.text;
    const stored = "source" in this.rule ? this.rule : null;
    const isLocked = stored !== null && !isEditable(stored);
    const { deleted } = this;
    const said = this.#draft.value ?? textOf(rule);
    return html`<section class="detail panel" aria-labelledby="rule-title" data-testid="rule-form">
      <header>
        <h2 id="rule-title">${this.isNew && !deleted && !this.isGone ? "A new rule" : rule.name}</h2>
        <a class="bare close" href=${paths.rules()} aria-label="Close">${icon("close")}</a>
      </header>
      ${isLocked ? html`<p class="dim">From <code>${sourceOf(stored)}</code>. It is changed there; the page only shows it.</p>` : nothing}
      ${deleted ? html`<p data-testid="was-deleted">Deleted by <b>${deleted.by}</b>, ${formatTime(millis(deleted.at) ?? 0, now.peek())}. This is what it was; add it to have it back.</p>` : nothing}
      ${this.isGone ? html`<deleted-meanwhile .name=${this.rule.name} .drop=${this.#giveBack}></deleted-meanwhile>` : nothing}
      ${stored && this.#isOutrun(stored) ? html`<rule-meanwhile .rule=${stored} .begun=${this.#begun} .typed=${said} .keep=${this.#keep} .drop=${this.#giveBack}></rule-meanwhile>` : nothing}
      ${taken?.version ? html`<p role="status" data-testid="taken">Version ${taken.version} is in the form and <b>not in force</b> until you save it. <button type="button" @click=${this.#giveBack}>Leave it as it is</button></p>` : nothing}
      ${keyed(
        taken?.count ?? 0,
        html`<form @submit=${this.#save} @keydown=${this.#saveByKey} @input=${this.#touch} novalidate>
        <fieldset class="plain" ?disabled=${isLocked}>
          <label class="field"><span>Name</span>
            <input name="name" .value=${rule.name} ?readonly=${!this.isNew} spellcheck="false" autocomplete="off" placeholder="boiler-overheat" aria-describedby="error-name">${this.#errorsOf("name")}</label>
          <div class="field"><span id="severity-label">Severity</span>
            <div class="choices" role="radiogroup" aria-labelledby="severity-label">${SEVERITIES.map(
              (severity) =>
                html`<label><input type="radio" name="severity" value=${severity} .checked=${rule.severity === severity}><span>${severityIcon(severity)}${severity}</span></label>`,
            )}</div>${this.#errorsOf("severity")}</div>
          <label class="field"><span>Devices</span>
            <input name="devices" class="code" .value=${rule.devices} spellcheck="false" autocomplete="off" @input=${(event: InputEvent) => (this.#devices.value = (event.target as HTMLInputElement).value)} aria-describedby="error-devices">
            ${this.#match()} ${this.#errorsOf("devices")}</label>
          <label class="field"><span>With tags <small>as site=north, line=2</small></span>
            <input name="tags" class="code" .value=${writeTags(rule.tags ?? {})} spellcheck="false" autocomplete="off" @input=${(event: InputEvent) => (this.#tags.value = readTags((event.target as HTMLInputElement).value))} aria-describedby="error-tags">${this.#errorsOf("tags")}</label>
          <label class="field"><span>Grouped by <small>a tag, or profile.name, where devices are counted</small></span>
            <input name="group_by" class="code" .value=${rule.group_by ?? ""} spellcheck="false" autocomplete="off" placeholder="site" aria-describedby="error-group_by">${this.#errorsOf("group_by")}</label>
          <label class="field"><span>Rings when</span>
            <textarea name="when" class="code" rows="2" .value=${rule.when} spellcheck="false" placeholder="temp_c > 80 and avg(temp_c, '5m') > 70" aria-describedby="error-when" data-testid="rule-when"></textarea>
            ${this.#errorsOf("when")}</label>
          ${isLocked ? nothing : html`<condition-words .devices=${this.#matched.value} .field=${this.#whenField}></condition-words>`}
          <rule-preview .rule=${said} .said=${this.#slips.value}></rule-preview>
          <rule-explanation .rule=${said} .found=${this.#note}></rule-explanation>
          <label class="field"><span>Clears when <small>(else when the condition is no longer true)</small></span>
            <input name="clear" class="code" .value=${rule.clear ?? ""} spellcheck="false" autocomplete="off" placeholder="temp_c < 75" aria-describedby="error-clear">${this.#errorsOf("clear")}</label>
          <div class="pair">
            <label class="field"><span>On-delay <small>true for so long</small></span><input name="on_delay" class="code" .value=${rule.on_delay} aria-describedby="error-on_delay">${this.#errorsOf("on_delay")}</label>
            <label class="field"><span>Off-delay</span><input name="off_delay" class="code" .value=${rule.off_delay} aria-describedby="error-off_delay">${this.#errorsOf("off_delay")}</label>
          </div>
          <div class="pair">
            <label class="field"><span>Re-alarm <small>rings again after</small></span><input name="re_alarm" class="code" .value=${rule.re_alarm ?? "0s"} aria-describedby="error-re_alarm">${this.#errorsOf("re_alarm")}</label>
            <label class="switch"><input type="checkbox" role="switch" name="latch" .checked=${rule.latch ?? false}><i></i><span>Latch <small>rings until it is reset</small></span></label>
          </div>
          <label class="field"><span>Inhibited by <small>rules, with commas between</small></span><input name="inhibited_by" .value=${(rule.inhibited_by ?? []).join(", ")} placeholder="gateway-down" spellcheck="false" autocomplete="off" aria-describedby="error-inhibited_by">${this.#errorsOf("inhibited_by")}</label>
          <label class="field"><span>Actions <small>channels, with commas between</small></span><input name="actions" .value=${(rule.actions ?? []).join(", ")} placeholder="ops, siren" spellcheck="false" autocomplete="off" aria-describedby="error-actions">${this.#errorsOf("actions")}</label>
          <label class="field"><span>Message</span><input name="message" .value=${rule.message} placeholder="{device} at {temp_c:.1f} °C" spellcheck="false" autocomplete="off" aria-describedby="error-message">${this.#errorsOf("message")}</label>
          <label class="switch"><input type="checkbox" role="switch" name="enabled" .checked=${rule.enabled}><i></i><span>On</span></label>
        </fieldset>
        ${this.#other.value ? html`<p class="error" role="alert" data-testid="rule-error">${this.#other.value}</p>` : nothing}
        ${
          isLocked
            ? nothing
            : html`<footer>
              ${this.isNew ? nothing : html`<button type="button" class="danger" data-testid="delete-rule" @click=${() => this.#dialog?.showModal()}>Delete…</button>`}
              <span class="dim">${stored?.updated_at ? `version ${stored.version ?? 1}, ${stored.updated_by ?? "local"}, ${formatTime(millis(stored.updated_at) ?? 0, now.peek())}` : ""}</span>
              <button class="primary" ?disabled=${this.#saving.value} data-testid="save-rule">${this.isNew ? "Add rule" : "Save"}</button>
            </footer>`
        }
      </form>`,
      )}
      ${
        stored
          ? html`<rule-versions .rule=${stored.name} .inForce=${stored.version ?? 0} .take=${isLocked ? undefined : this.#take} data-rule=${stored.name}></rule-versions>`
          : nothing
      }
      ${stored && !isLocked ? this.#deletion(stored) : nothing}
    </section>`;
  }

  #match() {
    const ids = this.#matched.value;
    if (ids.length === 0) return html`<small class="dim">No device matches yet.</small>`;
    const named = ids.slice(0, 4).join(", ");
    return html`<small class="dim" data-testid="matched">${formatCount(ids.length)} ${ids.length === 1 ? "device" : "devices"}: ${named}${ids.length > 4 ? " …" : ""}</small>`;
  }

  #errorsOf(field: string) {
    const refused = this.#errors.value.filter((error) => error.field === field);
    const shown = refused.length ? refused : this.#slips.value.filter((slip) => slip.field === field);
    return html`<span class="errors" id="error-${field}" role=${refused.length ? "alert" : nothing} data-testid="error-${field}">${shown.map(
      (error) => {
        const column = columnOf(error);
        const text = this.querySelector<HTMLInputElement>(`[name=${field}]`)?.value ?? "";
        const place = column === null ? null : pointer(text, column);
        return html`${place ? html`<pre class="pointer">${place.line}\n<b>${place.mark}</b></pre>` : nothing}<span class=${refused.length ? "error" : "slip"}>${error.message}</span>`;
      },
    )}</span>`;
  }

  #deletion(rule: Rule) {
    const open = plant.alerts.open.value.filter((alert) => alert.rule === rule.name).length;
    const watched = devicesOf(rule).length;
    return html`<dialog class="dialog" aria-labelledby="delete-title" data-testid="delete-dialog">
      <h2 id="delete-title">Delete ${rule.name}?</h2>
      <p>${watched === 1 ? "1 device is" : `${formatCount(watched)} devices are`} then no longer watched for <code>${rule.when}</code>.</p>
      <p>${open ? html`<b>${open === 1 ? "1 open alert clears" : `${open} open alerts clear`}</b> without anybody having looked.` : "No alert of it is open."}
        Past alerts and all readings stay. The rule can be brought back under <i>Changes</i>.</p>
      <form method="dialog" @submit=${this.#delete}>
        <footer><button value="keep" autofocus>Keep it</button><button class="danger solid" value="delete" data-testid="delete-confirm">Delete the rule</button></footer>
      </form>
    </dialog>`;
  }

  get #dialog(): HTMLDialogElement | null {
    return this.querySelector("dialog");
  }

  readonly #save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const text = readForm(new FormData(event.target as HTMLFormElement));
    this.#saving.value = true;
    this.#errors.value = [];
    this.#other.value = "";
    try {
      const { name } = this.rule;
      const saved = await (this.isNew ? api.addRule(text) : api.changeRule(name, text, this.#begun.version));
      if (!this.isNew && this.rule.name === name) {
        this.#begin(saved);
        this.#taken.value = null;
        this.#draft.value = null;
      }
      say(this.isNew ? `${text.name} watches from now on.` : `${text.name} is saved and applies from now on.`);
      if (this.isNew) go(paths.rules());
    } catch (error) {
      if (
        error instanceof ApiError &&
        error.fields.some(({ field }) => this.querySelector(`[name=${CSS.escape(field)}]`))
      )
        this.#show(error.fields);
      else this.#other.value = (error as Error).message;
    } finally {
      this.#saving.value = false;
    }
  };

  /** Puts each error under its field and the caret at its place. */
  #show(errors: readonly FieldError[]): void {
    this.#errors.value = errors;
    this.#refused = this.#draft.peek();
    const first = errors[0];
    const field = first && this.querySelector<HTMLInputElement>(`[name=${CSS.escape(first.field)}]`);
    if (!first || !field) return;
    field.focus();
    const column = columnOf(first);
    if (column !== null && "setSelectionRange" in field) field.setSelectionRange(column - 1, column - 1);
  }

  readonly #take = (text: Partial<RuleText>, version: number): void => {
    this.#put(textOf({ ...EMPTY, ...text }), version);
    this.querySelector("h2")?.scrollIntoView({ block: "nearest" });
  };

  /** Shows what is in force; what was typed is gone. */
  readonly #giveBack = (): void => {
    this.#begin(this.rule);
    this.#put(this.#begun.text, null);
    this.#draft.value = null;
  };

  /** Whether somebody else made another version of what is being written in. */
  #isOutrun({ version }: Rule): boolean {
    return !this.#saving.value && this.#draft.value !== null && version !== this.#begun.version;
  }

  /** Goes on with what was typed, on top of what others made of the rule meanwhile. */
  readonly #keep = (): void => {
    const typed = this.#draft.peek();
    if (!typed) return;
    const text = merged(this.#begun.text, typed, textOf(this.rule));
    this.#begin(this.rule);
    this.#put(text, null);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("[data-testid=save-rule]")?.focus());
  };

  readonly #whenField = (): HTMLTextAreaElement | null => this.querySelector<HTMLTextAreaElement>("[name=when]");

  /** The form says `text` now, as if it had been typed. */
  #put(text: RuleText, version: number | null): void {
    this.#taken.value = { text, version, count: (this.#taken.peek()?.count ?? 0) + 1 };
    this.#errors.value = [];
    this.#other.value = "";
    this.#devices.value = text.devices;
    this.#tags.value = text.tags ?? {};
    this.#draft.value = text;
  }

  /** Takes what is wrong with what is being written in place of what was when it was saved. */
  readonly #note = (slips: readonly FieldError[]): void => {
    this.#slips.value = slips;
    if (this.#draft.peek() !== this.#refused) this.#errors.value = [];
  };

  readonly #touch = (event: Event): void => {
    const form = event.currentTarget as HTMLFormElement;
    form.toggleAttribute("data-touched", true);
    this.#draft.value = readForm(new FormData(form));
  };

  readonly #saveByKey = (event: KeyboardEvent): void => {
    const isInWhen = event.target instanceof HTMLTextAreaElement;
    if (event.key !== "Enter" || !isInWhen || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    event.target.form?.requestSubmit();
  };

  readonly #delete = async (event: SubmitEvent): Promise<void> => {
    if ((event.submitter as HTMLButtonElement | null)?.value !== "delete") return;
    this.#deleting = true;
    try {
      await api.deleteRule(this.rule.name);
      say(`${this.rule.name} is deleted.`);
      go(paths.rules());
    } catch (error) {
      complain(error);
    } finally {
      this.#deleting = false;
    }
  };
}
customElements.define("rule-form", RuleForm);
