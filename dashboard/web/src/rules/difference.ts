import { writeTags } from "../reading/tags";
import type { RuleKey, RuleText, RuleVersion, Tags } from "../wire/contract";

/** Two texts that share how they begin and how they end: `same[0]` + `before` or `after` + `same[1]`. */
export interface Difference {
  same: [string, string];
  before: string;
  after: string;
}

/** Names, numbers, quoted texts, spaces and single signs: what a change of an expression goes by. */
const PART = /`[^`]*`|'[^']*'|"[^"]*"|[\p{L}\p{N}_.]+|\s+|./gu;

/** What has changed of a text, in whole words: `temp_c > ` 80 → 90 ` and on`. */
export function differenceOf(before: string, after: string): Difference {
  const [old, now] = [before.match(PART) ?? [], after.match(PART) ?? []];
  const most = Math.min(old.length, now.length);
  let head = 0;
  while (head < most && old[head] === now[head]) head++;
  let tail = 0;
  while (tail < most - head && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  return {
    same: [old.slice(0, head).join(""), old.slice(old.length - tail).join("")],
    before: old.slice(head, old.length - tail).join(""),
    after: now.slice(head, now.length - tail).join(""),
  };
}

/** Keys of a rule as the form calls them, in the order of the form. */
const WORDS: Record<RuleKey, string> = {
  severity: "severity",
  devices: "devices",
  tags: "with tags",
  group_by: "grouped by",
  when: "rings when",
  clear: "clears when",
  on_delay: "on-delay",
  off_delay: "off-delay",
  re_alarm: "re-alarm",
  latch: "latch",
  inhibited_by: "inhibited by",
  actions: "actions",
  message: "message",
  enabled: "rule",
};

/** A value of a rule's key as a person writes it. */
function written(value: RuleText[RuleKey]): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? writeTags(value as Tags) : String(value);
}

/** What a version changed, key by key: its word, and the texts before and after. */
export function changesOf(changed: RuleVersion["changed"]): { key: RuleKey; word: string; difference: Difference }[] {
  return (Object.keys(WORDS) as RuleKey[]).flatMap((key) => {
    const pair = changed[key];
    return pair ? [{ key, word: WORDS[key], difference: differenceOf(written(pair[0]), written(pair[1])) }] : [];
  });
}
