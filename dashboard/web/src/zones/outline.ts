import type { Position, ZoneFeature } from "../wire/contract";

/** A place in degrees; longitudes may go on beyond 180 where something crosses the antimeridian. */
export type Place = readonly [longitude: number, latitude: number];

/** What is drawn of a zone: rings of places, or a circle. */
export type Outline = { rings: Place[][] } | { center: Place; radiusDeg: number };

const METRES_PER_DEGREE = 111_195;

/** A ring whose neighbours are never more than half the globe apart. */
function unwrapped(ring: readonly Position[]): Place[] {
  let turned = 0;
  return ring.map(([longitude, latitude], index) => {
    const before = ring[index - 1]?.[0] ?? longitude;
    const isAlongParallel = Math.abs(before) === 180 && Math.abs(longitude) === 180;
    if (Math.abs(longitude - before) > 180 && !isAlongParallel) turned += longitude < before ? 360 : -360;
    return [longitude + turned, latitude];
  });
}

export function outlineOf({ geometry, properties }: ZoneFeature): Outline {
  if (geometry.type === "Point") {
    const [longitude, latitude] = geometry.coordinates;
    return { center: [longitude, latitude], radiusDeg: (properties?.radius_m ?? 0) / METRES_PER_DEGREE };
  }
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  return { rings: polygons.flat().map(unwrapped) };
}

/** How degrees become points of a drawing of `width` × `height`: north is up, a metre is as long in each direction. */
export class Plan {
  readonly #west: number;
  readonly #north: number;
  readonly #east: number;
  readonly #squeeze: number;
  readonly #scale: number;
  readonly #left: number;
  readonly #top: number;

  /** Shows all of `outlines` and `places`, with `margin` points around. */
  constructor(
    outlines: readonly Outline[],
    places: readonly Place[],
    readonly width: number,
    readonly height: number,
    margin = 16,
  ) {
    const all = [...outlines.flatMap(extremes), ...places];
    const first = all[0]?.[0] ?? 0;
    const longitudes = all.map(([longitude]) => near(longitude, first));
    const latitudes = all.map(([, latitude]) => latitude);
    this.#west = least(longitudes);
    this.#east = -least(longitudes.map((each) => -each));
    const south = least(latitudes);
    this.#north = -least(latitudes.map((each) => -each));
    this.#squeeze = Math.max(Math.cos((((south + this.#north) / 2) * Math.PI) / 180), 0.01);
    const across = Math.max((this.#east - this.#west) * this.#squeeze, 1e-5);
    const down = Math.max(this.#north - south, 1e-5);
    this.#scale = Math.min((width - 2 * margin) / across, (height - 2 * margin) / down);
    this.#left = (width - (this.#east - this.#west) * this.#squeeze * this.#scale) / 2;
    this.#top = (height - (this.#north - south) * this.#scale) / 2;
  }

  at([longitude, latitude]: Place): [x: number, y: number] {
    const middle = (this.#west + this.#east) / 2;
    return [
      this.#left + (near(longitude, middle) - this.#west) * this.#squeeze * this.#scale,
      this.#top + (this.#north - latitude) * this.#scale,
    ];
  }

  /** Above the middle of an outline: where its name stands. */
  top(outline: Outline): [x: number, y: number] {
    const points = extremes(outline).map((place) => this.at(place));
    const xs = points.map(([x]) => x);
    const left = least(xs);
    const right = -least(xs.map((x) => -x));
    return [(left + right) / 2, least(points.map(([, y]) => y))];
  }

  /** Points of the drawing for so many degrees of latitude. */
  length(degrees: number): number {
    return degrees * this.#scale;
  }

  /** The path of an SVG that draws `outline`. */
  path(outline: Outline): string {
    if ("rings" in outline) {
      return outline.rings
        .map((ring) => {
          // A ring stays in one piece: it moves as a whole to where its first place is.
          const shift = near(ring[0]?.[0] ?? 0, (this.#west + this.#east) / 2) - (ring[0]?.[0] ?? 0);
          const points = ring.map(([longitude, latitude]) => {
            const x = this.#left + (longitude + shift - this.#west) * this.#squeeze * this.#scale;
            return `${round(x)} ${round(this.at([longitude, latitude])[1])}`;
          });
          return `M${points.join("L")}Z`;
        })
        .join("");
    }
    const [x, y] = this.at(outline.center);
    const radius = Math.max(this.length(outline.radiusDeg), 1);
    return `M${round(x - radius)} ${round(y)}a${round(radius)} ${round(radius)} 0 1 0 ${round(2 * radius)} 0a${round(radius)} ${round(radius)} 0 1 0 ${round(-2 * radius)} 0Z`;
  }

  /** A length that is easy to grasp, at most a third of the width: 1, 2 or 5 times a power of ten, in metres. */
  scaleBar(): { metres: number; points: number } {
    const most = (this.width / 3 / this.#scale) * METRES_PER_DEGREE;
    const power = 10 ** Math.floor(Math.log10(most));
    const metres = ([5, 2, 1].find((step) => step * power <= most) ?? 1) * power;
    return { metres, points: (metres / METRES_PER_DEGREE) * this.#scale };
  }
}

function extremes(outline: Outline): Place[] {
  if ("rings" in outline) return outline.rings.flat();
  const { center, radiusDeg } = outline;
  const [longitude, latitude] = center;
  const across = radiusDeg / Math.max(Math.cos((latitude * Math.PI) / 180), 0.01);
  return [
    [longitude - across, latitude - radiusDeg],
    [longitude + across, latitude + radiusDeg],
  ];
}

/** The longitude that is the same place and at most half the globe from `middle`. */
function near(longitude: number, middle: number): number {
  return longitude - 360 * Math.round((longitude - middle) / 360);
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
