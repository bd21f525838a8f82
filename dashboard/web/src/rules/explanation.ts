import { formatCount } from "../reading/number";
import type { Explanation } from "../wire/contract";

/** A size of a window or an age, in the largest unit that says it whole: `10 s`, `5 min`, `1 h`, `7 d`. */
export function formatSpan(seconds: number): string {
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${formatCount(seconds / size)} ${unit}`;
  return `${Math.round(seconds * 1000) / 1000} s`;
}

/** What makes the server look at a rule, a phrase each: `each reading of temp_c`, `pressure is 60 s old`. */
export function occasionsOf({ woken_by, by_any_reading, at_silences, at_hours }: Explanation): string[] {
  const readings = by_any_reading ? "each reading of the device" : `each reading of ${listed(woken_by)}`;
  return [
    readings,
    ...at_silences.map(({ metric, age_s, own }) => `when ${metric} is ${age_s === null ? own : formatSpan(age_s)} old`),
    ...(at_hours ? ["when the hour turns"] : []),
  ];
}

/** What a rule across groups asks of their devices: `["Counts devices with", "temp_c > 80"]`. */
export function asksOf({ counts, numbers }: Explanation): [string, string][] {
  return [
    ...counts.map((each): [string, string] => ["Counts devices with", each]),
    ...numbers.map((each): [string, string] => ["Asks each device for", each]),
  ];
}

/** How the devices of a rule across groups are grouped. */
export function groupingOf({ group_by }: Explanation): string {
  return group_by === null || group_by === "all" ? "all of them in one group" : `by ${group_by}`;
}

/** How far a window of a rule reaches: `over 5 min`, or what ends a session. */
export function reachOf({ size_s, session }: Explanation["windows"][number]): string {
  return session ? `ended by ${formatSpan(size_s)} without a reading` : `over ${formatSpan(size_s)}`;
}

/** What a reading costs: nearly nothing where it is far from turning the rule, else the whole of it. */
export function costOf({ spares_readings, judged_us, nodes }: Explanation): string {
  const whole = `about ${judged_us} µs (${nodes === 1 ? "1 part" : `${formatCount(nodes)} parts`})`;
  return spares_readings
    ? `one comparison while the value is far from the limit, else ${whole}`
    : `${whole}, each time`;
}

/** The conditions for whose sake every reading has to be judged. */
export function restlessOf({ spares_readings, parts }: Explanation): string[] {
  return spares_readings ? [] : parts.filter(({ bounded }) => !bounded).map(({ condition }) => condition);
}

/** `a`, `a and b`, `a, b and c`; of many the first few. */
export function listed(words: readonly string[], most = 4): string {
  if (words.length > most) return `${words.slice(0, most - 1).join(", ")} and ${words.length - most + 1} more`;
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} and ${last}`;
}
