import { paths } from "./route";

export type Command =
  | { do: "search" }
  | { do: "next" }
  | { do: "previous" }
  | { do: "acknowledge" }
  | { do: "shelve" }
  | { do: "maintain" }
  | { do: "help" }
  | { do: "go"; path: string };

/** What the keys do, in the words of the help page. */
export const KEYS: readonly [keys: string, meaning: string][] = [
  ["/", "Search devices, alerts and rules"],
  ["j  k", "Next, previous"],
  ["Enter", "Open"],
  ["a", "Acknowledge the alert in focus, else the worst one"],
  ["s", "Shelve the alert in focus, else the worst one"],
  ["m", "Plan maintenance, of the device in focus if there is one"],
  ["g o", "Overview"],
  ["g a", "Alerts"],
  ["g r", "Rules"],
  ["g z", "Zones"],
  ["g f", "Functions"],
  ["g t", "Topics"],
  ["g c", "Connect a device"],
  ["?", "These keys"],
  ["Esc", "Close, leave"],
];

const VIEWS: Record<string, string> = {
  o: paths.overview(),
  a: paths.alerts(),
  r: paths.rules(),
  z: paths.zones(),
  f: paths.functions(),
  t: paths.topics(),
  c: paths.connect(),
};
const SINGLE: Record<string, Command> = {
  "/": { do: "search" },
  j: { do: "next" },
  k: { do: "previous" },
  a: { do: "acknowledge" },
  s: { do: "shelve" },
  m: { do: "maintain" },
  "?": { do: "help" },
};
/** `g` waits this long for its second key. */
const CHORD_MS = 1_500;

/** Turns key presses into commands. State: whether a `g` waits for its second key. */
export class Keyboard {
  #chordUntil = 0;

  press(key: string, at: number): Command | null {
    const inChord = at < this.#chordUntil;
    this.#chordUntil = 0;
    if (inChord) {
      const path = VIEWS[key];
      if (path) return { do: "go", path };
    }
    if (key === "g") {
      this.#chordUntil = at + CHORD_MS;
      return null;
    }
    return SINGLE[key] ?? null;
  }
}

/** Whether a key press belongs to what has the focus (a text being typed, a list being chosen from) and not to the page. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio])");
}

/** Moves the focus to the next or previous `[data-item]` of the view. */
export function moveFocus(step: 1 | -1): void {
  const items = [...document.querySelectorAll<HTMLElement>("main [data-item]")].filter((item) =>
    item.checkVisibility(),
  );
  const here = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement));
  const next =
    items[here < 0 ? (step > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, here + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}
