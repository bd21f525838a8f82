import { html, nothing, svg, type TemplateResult } from "lit";
import type { Trend } from "../reading/trend";
import type { Severity } from "../wire/contract";

/** Shape and letter of each severity: colour alone never tells. */
const SHAPES: Record<Severity, { path: string; letter: string; y: number }> = {
  critical: { path: "M10 1.2 19.3 18H.7Z", letter: "C", y: 15.4 },
  major: { path: "M10 .4 19.6 10 10 19.6.4 10Z", letter: "M", y: 13.3 },
  warning: { path: "M10 .8a9.2 9.2 0 1 1 0 18.4 9.2 9.2 0 0 1 0-18.4Z", letter: "W", y: 13.4 },
  info: {
    path: "M2.5 1.5h15a1 1 0 0 1 1 1v15a1 1 0 0 1-1 1h-15a1 1 0 0 1-1-1v-15a1 1 0 0 1 1-1Z",
    letter: "I",
    y: 13.6,
  },
};

/** The mark of a severity within a drawing, 20 × 20 points. */
export function severityMark(severity: Severity): TemplateResult {
  const { path, letter, y } = SHAPES[severity];
  return svg`<path d=${path}></path><text x="10" y=${y} text-anchor="middle">${letter}</text>`;
}

export function severityIcon(severity: Severity): TemplateResult {
  const { path, letter, y } = SHAPES[severity];
  return html`<svg class="severity-icon" data-severity=${severity} viewBox="0 0 20 20" role="img" aria-label=${severity}>
    <path d=${path}></path>
    <text x="10" y=${y} text-anchor="middle">${letter}</text>
  </svg>`;
}

const ARROWS: Record<Trend, { turn: number; word: string }> = {
  up: { turn: -90, word: "rising fast" },
  rising: { turn: -40, word: "rising" },
  steady: { turn: 0, word: "steady" },
  falling: { turn: 40, word: "falling" },
  down: { turn: 90, word: "falling fast" },
};

export function trendArrow(trend: Trend | null): TemplateResult | typeof nothing {
  if (!trend) return nothing;
  const { turn, word } = ARROWS[trend];
  return html`<svg class="trend" data-trend=${trend} viewBox="0 0 16 16" role="img" aria-label=${word}>
    <path transform="rotate(${turn} 8 8)" d="M2.5 8h10M8.5 4l4 4-4 4"></path>
  </svg>`;
}

const LINES = {
  overview: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  alerts: "M10 2.5c-3 0-4.8 2-4.8 5 0 4-1.7 5-1.7 6.5h13c0-1.5-1.7-2.5-1.7-6.5 0-3-1.8-5-4.8-5ZM8 16.5a2 2 0 0 0 4 0",
  rules: "M3 5h9M15.5 5h1.5M3 10h3M9.5 10H17M3 15h9M15.5 15h1.5M12 3.2v3.6M6.2 8.2v3.6M12 13.2v3.6",
  zones: "M3 5.5 8.5 3l6 2.5L17 12l-5 5-7-1.5zM9.5 9.2a1.3 1.3 0 1 1 0 2.6 1.3 1.3 0 0 1 0-2.6Z",
  functions:
    "M7 3c-2 0-2 1-2 3v2c0 1-1 2-2 2 1 0 2 1 2 2v2c0 2 0 3 2 3M13 3c2 0 2 1 2 3v2c0 1 1 2 2 2-1 0-2 1-2 2v2c0 2 0 3-2 3",
  topics: "M4 5h12M4 10h8M4 15h5M15 12v5M12.5 14.5h5",
  connect: "M7 3v4M13 3v4M5 7h10v3a5 5 0 0 1-10 0zM10 15v3",
  search: "M8.5 3a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM12.5 12.5 17 17",
  theme: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  close: "M5 5l10 10M15 5 5 15",
  copy: "M7 7h9v9H7zM4 13V4h9",
  check: "M4 10.5 8 14.5 16 5.5",
} as const;

export type IconName = keyof typeof LINES;

export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true">${svg`<path d=${LINES[name]}></path>`}</svg>`;
}
