import { signal } from "@preact/signals-core";

type Theme = "system" | "light" | "dark";
const NEXT: Record<Theme, Theme> = { system: "dark", dark: "light", light: "system" };
const KEY = "tocsin-theme";

export const theme = signal<Theme>("system");
/** Rises when colours change: canvases paint again. */
export const palette = signal(0);

let probe: HTMLElement | null = null;
let colours = new Map<string, string>();

/** The present value of a colour token, resolved for a canvas. */
export function colour(token: string): string {
  const known = colours.get(token);
  if (known) return known;
  if (!probe) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${token})`;
  const value = getComputedStyle(probe).color;
  colours.set(token, value);
  return value;
}

export function startTheme(): void {
  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") apply(kept);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

export function nextTheme(): void {
  apply(NEXT[theme.value]);
  if (theme.value === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme.value);
}

function apply(chosen: Theme): void {
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  repaint();
}

function repaint(): void {
  colours = new Map();
  palette.value++;
}
