import type { ZoneFeature } from "../wire/contract";

type Path = readonly (string | number)[];

/** A zone in pasted text: what is sent, and the keys that lead to it in the text, for errors in its place. */
export interface Pasted {
  feature: { type: unknown; properties: Record<string, unknown>; geometry: unknown };
  within: Path;
  /** Whether the text is a geometry alone, without a Feature around it. */
  isBare: boolean;
}

const GEOMETRIES = ["Point", "Polygon", "MultiPolygon"];

/** The zones in a text of GeoJSON: a Feature, a FeatureCollection or a geometry alone. Throws Error in words. */
export function readGeoJson(text: string): Pasted[] {
  if (!text.trim()) throw new Error("Paste GeoJSON here: a Polygon, a MultiPolygon, or a Point with radius_m.");
  const found = table(JSON.parse(text));
  if (found && GEOMETRIES.includes(String(found.type)))
    return [{ feature: { type: "Feature", properties: {}, geometry: found }, within: [], isBare: true }];
  if (found?.type === "Feature") return [pastedOf(found, [])];
  const features = found?.type === "FeatureCollection" && Array.isArray(found.features) ? found.features : null;
  if (!features)
    throw new Error("This is no GeoJSON of a zone; expected a Feature, a FeatureCollection or a geometry.");
  if (features.length === 0) throw new Error("The FeatureCollection has no Feature.");
  return features.map((each, index) => pastedOf(table(each) ?? {}, ["features", index]));
}

function pastedOf(feature: Record<string, unknown>, within: Path): Pasted {
  const { type, properties, geometry } = feature;
  return { feature: { type, properties: table(properties) ?? {}, geometry }, within, isBare: false };
}

function table(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

/** The name that a pasted zone has of itself. */
export function nameIn({ feature }: Pasted): string {
  return typeof feature.properties.name === "string" ? feature.properties.name : "";
}

/** What of a pasted zone can be drawn; null where it is not yet enough of a shape. */
export function drawable({ feature }: Pasted): ZoneFeature | null {
  const geometry = table(feature.geometry);
  const coordinates = geometry?.coordinates;
  // What lies off the globe would make all the rest of the plan a dot.
  const isPosition = (it: unknown) => Array.isArray(it) && Math.abs(it[0]) <= 180 && Math.abs(it[1]) <= 90;
  const isRing = (it: unknown) => Array.isArray(it) && it.length > 1 && it.every(isPosition);
  const isPolygon = (it: unknown) => Array.isArray(it) && it.length > 0 && it.every(isRing);
  const fits =
    geometry?.type === "Point"
      ? isPosition(coordinates) && Number.isFinite(feature.properties.radius_m)
      : geometry?.type === "Polygon"
        ? isPolygon(coordinates)
        : geometry?.type === "MultiPolygon" && Array.isArray(coordinates) && coordinates.every(isPolygon);
  return fits ? (feature as unknown as ZoneFeature) : null;
}

/** Where in `text`, which is JSON, the value stands that `path` leads to; the last one there is on that way. */
export function placeOf(text: string, path: Path): { from: number; to: number } {
  const scan = new Scan(text);
  return scan.find(path) ?? { from: 0, to: 0 };
}

/** The path of an error of the server, in the text that was pasted. */
export function pathIn({ within, isBare }: Pasted, path: Path): Path {
  return [...within, ...(isBare && path[0] === "geometry" ? path.slice(1) : path)];
}

/** Walks over JSON that is known to be valid. */
class Scan {
  #at = 0;
  constructor(private readonly text: string) {}

  find(path: Path): { from: number; to: number } | null {
    this.#space();
    const from = this.#at;
    const [step, ...rest] = path;
    let within: { from: number; to: number } | null = null;
    const open = this.text[from];
    if (open === "{" || open === "[") {
      this.#at++;
      for (let index = 0; ; index++) {
        this.#space();
        if ("]}".includes(this.text[this.#at] ?? "]")) break;
        let key: string | number = index;
        if (open === "{") {
          const begin = this.#at;
          this.#string();
          key = JSON.parse(this.text.slice(begin, this.#at)) as string;
          this.#space();
          this.#at++; // the colon
        }
        const isWanted = path.length > 0 && key === step;
        const found = this.find(isWanted ? rest : []);
        if (isWanted) within = found;
        this.#space();
        if (this.text[this.#at] === ",") this.#at++;
      }
      this.#at++;
    } else if (open === '"') this.#string();
    else while (/[^\s,\]}]/.test(this.text[this.#at] ?? " ")) this.#at++;
    return within ?? { from, to: this.#at };
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? "")) this.#at++;
  }

  #string(): void {
    this.#at++;
    while (this.#at < this.text.length && this.text[this.#at] !== '"') this.#at += this.text[this.#at] === "\\" ? 2 : 1;
    this.#at++;
  }
}

/** A stretch of a text with a little of its line around it. */
export function excerpt(text: string, { from, to }: { from: number; to: number }): [string, string, string] {
  const [AROUND, MOST] = [24, 48];
  const end = Math.min(to, from + MOST);
  const before =
    text
      .slice(Math.max(0, from - AROUND), from)
      .split("\n")
      .at(-1) ?? "";
  const after = text.slice(end, end + AROUND).split("\n")[0] ?? "";
  const stretch = text.slice(from, end).replace(/\s+/g, " ");
  return [before.trimStart(), stretch + (end < to ? " …" : ""), end < to ? "" : after];
}
