import type { RuleKey, RuleText, RuleVersion } from "../wire/contract";
import { EMPTY } from "./draft";

/** What a rule was when somebody began to change it; `version` undefined where it is not known. */
export interface Begun {
  text: RuleText;
  version: number | undefined;
}

const KEYS = Object.keys(EMPTY).filter((key): key is RuleKey => key !== "name");

/** Keys whose values differ, with both values. */
export function changedBetween(before: RuleText, after: RuleText): RuleVersion["changed"] {
  const differ = KEYS.filter((key) => written(before, key) !== written(after, key));
  return Object.fromEntries(differ.map((key) => [key, [before[key], after[key]]])) as RuleVersion["changed"];
}

/** What was typed over `begun`, and for everything else what others made of it meanwhile. */
export function merged(begun: RuleText, typed: RuleText, theirs: RuleText): RuleText {
  return { ...theirs, ...onlyOf(typed, changedBetween(begun, typed)) };
}

/** Keys that were typed over and that others changed too, to something else. */
export function contested(begun: RuleText, typed: RuleText, theirs: RuleText): RuleKey[] {
  const [mine, other] = [changedBetween(begun, typed), changedBetween(begun, theirs)];
  return KEYS.filter((key) => key in mine && key in other && written(typed, key) !== written(theirs, key));
}

function onlyOf(text: RuleText, keys: object): Partial<RuleText> {
  return Object.fromEntries(KEYS.filter((key) => key in keys).map((key) => [key, text[key]]));
}

/** A value so that two can be compared: tags in any order are the same. */
function written(text: RuleText, key: RuleKey): string {
  const value = text[key];
  const isTags = value !== null && typeof value === "object" && !Array.isArray(value);
  return JSON.stringify(isTags ? Object.entries(value).sort() : (value ?? null));
}
