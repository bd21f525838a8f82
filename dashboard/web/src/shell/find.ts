import { byName } from "../reading/groups";

export interface Found {
  kind: "device" | "alert" | "rule" | "zone";
  label: string;
  path: string;
}

const SHOWN = 12;

/** What a search text finds: names that begin with it before names that contain it. */
export function find(text: string, things: Iterable<Found>, limit = SHOWN): Found[] {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const found: [rank: number, thing: Found][] = [];
  for (const thing of things) {
    const at = thing.label.toLowerCase().indexOf(wanted);
    if (at >= 0) found.push([at === 0 ? 0 : 1, thing]);
  }
  return found
    .sort(([a, x], [b, y]) => a - b || byName(x.label, y.label))
    .slice(0, limit)
    .map(([, thing]) => thing);
}
