import type { Profile, Tags } from "../wire/contract";
import { matches } from "./glob";

/** Whether a rule is for a device: by its id and by its tags. */
export function selects(rule: { devices: string; tags?: Tags }, id: string, tags: Tags): boolean {
  return matches(rule.devices, id) && Object.entries(rule.tags ?? {}).every(([name, value]) => tags[name] === value);
}

const GROUP = "group:";
const FIELD_PLACE = "profile.";

/** Whether an alert is about a device, or about a group that it is in: `rule` is the alert's, where it is known. */
export function isAbout(
  alert: { subject: string; device: string | null },
  id: string,
  tags: Tags,
  rule: { devices: string; tags?: Tags; group_by?: string } | undefined,
  profile: Profile = {},
): boolean {
  if (alert.device !== null) return alert.device === id;
  if (!rule || !alert.subject.startsWith(GROUP) || !selects(rule, id, tags)) return false;
  const group = alert.subject.slice(GROUP.length);
  return rule.group_by ? groupOf(rule.group_by, tags, profile) === group : group === "all";
}

/** The group of a device: what its tag says, or, by `profile.medium`, that field of its profile. */
function groupOf(groupBy: string, tags: Tags, profile: Profile): string | undefined {
  if (!groupBy.startsWith(FIELD_PLACE)) return tags[groupBy];
  const said = profile[groupBy.slice(FIELD_PLACE.length)];
  return said === undefined ? undefined : String(said);
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
