import { signal } from "@preact/signals-core";
import { html, nothing, type PropertyValues } from "lit";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { formatCount } from "../reading/number";
import { icon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { go, paths } from "../shell/route";
import { ApiError, api, type FieldError } from "../wire/api";
import { millis, type Zone, type ZoneFeature } from "../wire/contract";
import { drawable, excerpt, nameIn, type Pasted, pathIn, placeOf, readGeoJson } from "./geojson";
import { isEditable, positions, readZones, sourceOf } from "./zone-book";
import "./zone-plan";

export const NEW = "+new";

/** `circle of 80 m`, `polygon of 5 corners`. */
export function kindOf({ geometry, properties }: ZoneFeature): string {
  if (geometry.type === "Point") return `circle of ${formatCount(properties?.radius_m ?? 0)} m`;
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const corners = polygons.flat().reduce((sum, ring) => sum + ring.length - 1, 0);
  return `${polygons.length === 1 ? "polygon" : `${polygons.length} polygons`} of ${formatCount(corners)} corners`;
}

/** A Feature as a person reads it: a position is on one line. */
function written(feature: ZoneFeature): string {
  return JSON.stringify(feature, null, 2).replace(/\[\s+(-?[\d.e+-]+),\s+(-?[\d.e+-]+)\s+\]/g, "[$1, $2]");
}

interface Problem {
  message: string;
  /** Where in the text. */
  place: { from: number; to: number } | null;
}

/** A zone to read, replace or delete, or one to add. */
export class ZoneForm extends Live {
  static override properties = { zone: { attribute: false } };
  declare zone: Zone | null;

  readonly #pasted = signal<readonly Pasted[]>([]);
  readonly #problem = signal<Problem | null>(null);
  readonly #nameProblem = signal("");
  readonly #saving = signal(false);
  #shown: string | null | undefined;

  protected override willUpdate(_: PropertyValues<this>): void {
    const name = this.zone?.name ?? null;
    if (this.#shown === name) return;
    this.#shown = name;
    this.#pasted.value = [];
    this.#problem.value = null;
    this.#nameProblem.value = "";
  }

  override render() {
    const { zone } = this;
    const isLocked = zone !== null && !isEditable(zone);
    const drawn = this.#pasted.value.map(drawable).filter((each) => each !== null);
    return html`<section class="detail panel" aria-labelledby="zone-title" data-testid="zone-form">
      <header>
        <h2 id="zone-title">${zone?.name ?? "A new zone"}</h2>
        <a class="bare close" href=${paths.zones()} aria-label="Close">${icon("close")}</a>
      </header>
      <zone-plan .chosen=${zone?.name ?? null} .written=${drawn}></zone-plan>
      ${isLocked ? html`<p class="dim">From <code>${sourceOf(zone)}</code>. It is changed there; the page only shows it.</p>` : nothing}
      ${zone ? this.#use(zone) : nothing}
      <form @submit=${this.#save} novalidate>
        <label class="field"><span>Name</span>
          <input name="name" .value=${zone?.name ?? ""} ?readonly=${zone !== null} spellcheck="false" autocomplete="off" placeholder="yard" aria-describedby="zone-name-error">
          <span id="zone-name-error" role=${this.#nameProblem.value ? "alert" : nothing} class="error" data-testid="zone-name-error">${this.#nameProblem.value}</span></label>
        <label class="field"><span>GeoJSON <small>longitude first; paste a Feature, a collection or a geometry</small></span>
          <textarea name="geojson" class="code" rows="12" .value=${zone ? written(zone.feature) : ""} ?readonly=${isLocked} spellcheck="false" aria-describedby="zone-error" data-testid="zone-geojson" @input=${this.#read}></textarea></label>
        ${this.#said()}
        ${isLocked ? nothing : this.#footer(zone)}
      </form>
      ${zone && !isLocked ? this.#deletion(zone) : nothing}
    </section>`;
  }

  #use(zone: Zone) {
    return zone.rules.length
      ? html`<p data-testid="zone-rules">Used by ${zone.rules.map((rule, index) => html`${index ? ", " : ""}<a href=${paths.rule(rule)}>${rule}</a>`)}.</p>`
      : html`<p class="dim" data-testid="zone-rules">No rule asks for it: <code>inside('${zone.name}')</code>.</p>`;
  }

  #said() {
    const problem = this.#problem.value;
    const text = this.querySelector<HTMLTextAreaElement>("textarea")?.value ?? "";
    const [before, here, after] = problem?.place ? excerpt(text, problem.place) : ["", "", ""];
    return html`<div id="zone-error" role=${problem ? "alert" : nothing} data-testid="zone-error">${
      problem
        ? html`${problem.place ? html`<pre class="pointer">${before}<b>${here}</b>${after}</pre>` : nothing}<span class="error">${problem.message}</span>`
        : this.#pasted.value.length > 1
          ? html`<span class="dim">${formatCount(this.#pasted.value.length)} zones: ${this.#pasted.value.map((each) => nameIn(each) || "without a name").join(", ")}</span>`
          : nothing
    }</div>`;
  }

  #footer(zone: Zone | null) {
    return html`<footer>
      ${
        zone
          ? html`<button type="button" class="danger" data-testid="delete-zone" @click=${() => this.querySelector("dialog")?.showModal()}>Delete…</button>
            <span class="dim">${zone.updated_by}, ${formatTime(millis(zone.updated_at) ?? 0, now.peek())}</span>`
          : html`<button type="button" @click=${() => this.#begin(circle)} data-testid="begin-circle">Begin with a circle</button>
            <button type="button" @click=${() => this.#begin(square)}>… a polygon</button><span class="dim"></span>`
      }
      <button class="primary" ?disabled=${this.#saving.value} data-testid="save-zone">${zone ? "Replace" : "Add zone"}</button>
    </footer>`;
  }

  #deletion(zone: Zone) {
    const isUsed = zone.rules.length > 0;
    return html`<dialog class="dialog" aria-labelledby="delete-title" data-testid="delete-dialog">
      <h2 id="delete-title">Delete ${zone.name}?</h2>
      ${isUsed ? html`<p><b>It cannot be deleted while rules ask for it</b>: ${zone.rules.join(", ")}. Change or delete these first.</p>` : html`<p>No rule asks for it. Its outline is lost.</p>`}
      <form method="dialog" @submit=${this.#delete}>
        <footer><button value="keep" autofocus>Keep it</button>${isUsed ? nothing : html`<button class="danger solid" value="delete" data-testid="delete-confirm">Delete the zone</button>`}</footer>
      </form>
    </dialog>`;
  }

  /** Puts something to change into an empty form, where something is already. */
  #begin(shape: (at: [number, number]) => unknown): void {
    const field = this.#field;
    const [first] = positions();
    const [longitude, latitude] = first?.place ?? [16.3725, 48.2083];
    field.value = written(shape([round(longitude), round(latitude)]) as ZoneFeature);
    this.#read();
    field.focus();
    const radius = /"radius_m": /.exec(field.value);
    if (radius) field.setSelectionRange(radius.index + radius[0].length, radius.index + radius[0].length + 3);
  }

  get #field(): HTMLTextAreaElement {
    return this.querySelector("textarea") as HTMLTextAreaElement;
  }

  readonly #read = (): void => {
    this.querySelector("form")?.toggleAttribute("data-touched", true);
    this.#problem.value = null;
    try {
      const found = readGeoJson(this.#field.value);
      this.#pasted.value = found;
      const name = this.querySelector<HTMLInputElement>("[name=name]");
      const [only] = found;
      if (name && !this.zone && !name.value && only && found.length === 1) name.value = nameIn(only);
    } catch {
      this.#pasted.value = []; // said when it is saved: half a text is always wrong
    }
  };

  readonly #save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    this.#problem.value = null;
    this.#nameProblem.value = "";
    const given = String(new FormData(event.target as HTMLFormElement).get("name") ?? "").trim();
    let pasted: Pasted[];
    try {
      pasted = readGeoJson(this.#field.value);
    } catch (error) {
      this.#refuse({ message: (error as Error).message, place: null });
      return;
    }
    if (pasted.length > 1 && this.zone) {
      this.#refuse({
        message: `These are ${pasted.length} zones; expected one, in place of ${this.zone.name}.`,
        place: null,
      });
      return;
    }
    this.#saving.value = true;
    const saved: string[] = [];
    for (const each of pasted) {
      const name = pasted.length > 1 ? nameIn(each) : given;
      if (!(await this.#put(each, name))) break;
      saved.push(name);
    }
    this.#saving.value = false;
    if (saved.length === 0) return;
    await readZones();
    say(
      `${saved.join(", ")} ${saved.length === 1 ? "is" : "are"} saved; devices are judged by ${saved.length === 1 ? "it" : "them"} from now on.`,
    );
    if (saved.length < pasted.length) return;
    this.querySelector("form")?.removeAttribute("data-touched");
    this.#pasted.value = [];
    const [name] = saved;
    if (!this.zone) go(saved.length === 1 && name ? paths.zone(name) : paths.zones());
  };

  /** Saves one zone, or says why not. */
  async #put(pasted: Pasted, name: string): Promise<boolean> {
    if (!name) {
      if (pasted.within.length)
        this.#refuse({
          message: 'It has no "name" in its properties.',
          place: placeOf(this.#field.value, pasted.within),
        });
      else this.#refuseName("A zone needs a name, as rules write it: inside('yard').");
      return false;
    }
    try {
      await api.putZone(name, { ...pasted.feature, properties: { ...pasted.feature.properties, name } });
      return true;
    } catch (error) {
      const first = error instanceof ApiError ? error.fields[0] : undefined;
      if (first?.path.join(".") === "properties.name") this.#refuseName(first.message);
      else if (first) this.#refuse(this.#problemOf(first, pasted));
      else this.#refuse({ message: (error as Error).message, place: null });
      return false;
    }
  }

  #problemOf({ message, path }: FieldError, pasted: Pasted): Problem {
    const what = path.at(-1);
    const words = typeof what === "string" ? `${what} ${message}` : message;
    return { message: words, place: path.length ? placeOf(this.#field.value, pathIn(pasted, path)) : null };
  }

  #refuseName(message: string): void {
    this.#nameProblem.value = message;
    this.querySelector<HTMLInputElement>("[name=name]")?.focus();
  }

  #refuse(problem: Problem): void {
    this.#problem.value = problem;
    this.#field.focus();
    if (problem.place) this.#field.setSelectionRange(problem.place.from, problem.place.to);
  }

  readonly #delete = async (event: SubmitEvent): Promise<void> => {
    const { zone } = this;
    if (!zone || (event.submitter as HTMLButtonElement | null)?.value !== "delete") return;
    try {
      await api.deleteZone(zone.name);
      say(`${zone.name} is deleted.`);
      await readZones();
      go(paths.zones());
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("zone-form", ZoneForm);

function circle(at: [number, number]) {
  return { type: "Feature", properties: { radius_m: 100 }, geometry: { type: "Point", coordinates: at } };
}

function square([longitude, latitude]: [number, number]) {
  const [across, up] = [0.0014, 0.0009];
  const corner = (x: number, y: number) => [round(longitude + x * across), round(latitude + y * up)];
  const ring = [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1), corner(-1, -1)];
  return { type: "Feature", properties: {}, geometry: { type: "Polygon", coordinates: [ring] } };
}

function round(degrees: number): number {
  return Math.round(degrees * 1e6) / 1e6;
}
