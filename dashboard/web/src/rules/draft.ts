import { readTags } from "../reading/tags";
import type { FieldError } from "../wire/api";
import type { Rule, RuleText } from "../wire/contract";

export const EMPTY: RuleText = {
  name: "",
  devices: "*",
  tags: {},
  group_by: "",
  when: "",
  clear: null,
  on_delay: "0s",
  off_delay: "0s",
  latch: false,
  re_alarm: "0s",
  inhibited_by: [],
  actions: [],
  severity: "warning",
  message: "",
  enabled: true,
};

/** What the form says, as the server takes it: no `clear` where none is written, delays default to none. */
export function readForm(given: FormData): RuleText {
  const text = (name: string) => String(given.get(name) ?? "").trim();
  return {
    name: text("name"),
    devices: text("devices") || "*",
    tags: readTags(text("tags")),
    group_by: text("group_by"),
    when: text("when"),
    clear: text("clear") || null,
    on_delay: text("on_delay") || "0s",
    off_delay: text("off_delay") || "0s",
    latch: given.get("latch") !== null,
    re_alarm: text("re_alarm") || "0s",
    inhibited_by: names(text("inhibited_by")),
    actions: names(text("actions")),
    severity: text("severity") as RuleText["severity"],
    message: text("message"),
    enabled: given.get("enabled") !== null,
  };
}

/** Names with commas between them. */
function names(text: string): string[] {
  return text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
}

/** The keys of a rule that its author writes, without what the server adds. */
export function textOf(rule: Rule | RuleText): RuleText {
  const whole = { ...EMPTY, ...rule };
  return Object.fromEntries(
    Object.keys(EMPTY).map((key) => [key, whole[key as keyof RuleText]]),
  ) as unknown as RuleText;
}

/** Whether the page may change a rule; a rule from a file is changed in its file. */
export function isEditable(rule: Rule): boolean {
  return rule.source === "api";
}

/** Where a rule comes from, in words. */
export function sourceOf(rule: Rule): string {
  return rule.source.startsWith("file:") ? rule.source.slice("file:".length) : "this page or the API";
}

/** A line that points at a column of the text above it: `    ^`. */
export function pointer(text: string, column: number): { line: string; mark: string } {
  const before = text.slice(0, column - 1);
  const start = before.lastIndexOf("\n") + 1;
  const end = text.indexOf("\n", start);
  return {
    line: text.slice(start, end < 0 ? undefined : end),
    mark: `${" ".repeat(Math.max(0, column - 1 - start))}^`,
  };
}

/** The column an error names: in its own field, or in its words (`… at column 12`). */
export function columnOf(error: FieldError): number | null {
  if (error.column !== null) return error.column;
  const found = /\bcolumn (\d+)/.exec(error.message);
  return found ? Number(found[1]) : null;
}
