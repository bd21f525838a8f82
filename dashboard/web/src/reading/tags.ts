import type { Tags } from "../wire/contract";
import { matches } from "./glob";

/** Whether a rule is for a device: by its id and by its tags. */
export function selects(rule: { devices: string; tags?: Tags }, id: string, tags: Tags): boolean {
  return matches(rule.devices, id) && Object.entries(rule.tags ?? {}).every(([name, value]) => tags[name] === value);
}

const GROUP = "group:";

/** Whether an alert is about a device, or about a group that it is in: `rule` is the alert's, where it is known. */
export function isAbout(
  alert: { subject: string; device: string | null },
  id: string,
  tags: Tags,
  rule: { devices: string; tags?: Tags; group_by?: string } | undefined,
): boolean {
  if (alert.device !== null) return alert.device === id;
  if (!rule || !alert.subject.startsWith(GROUP) || !selects(rule, id, tags)) return false;
  const group = alert.subject.slice(GROUP.length);
  return rule.group_by ? tags[rule.group_by] === group : group === "all";
}

/** `site=north, line=2` as tags. A part without `=` is a name with an empty value, which the server refuses in words. */
export function readTags(text: string): Tags {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
  return Object.fromEntries(
    parts.map((part) => {
      const [name = "", ...value] = part.split("=");
      return [name.trim(), value.join("=").trim()];
    }),
  );
}

export function writeTags(tags: Tags): string {
  return Object.entries(tags)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}
