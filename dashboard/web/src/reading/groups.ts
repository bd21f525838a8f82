const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export interface Group {
  /** Part of the ids before their last `-`; empty for the devices that stand alone. */
  prefix: string;
  label: string;
  ids: string[];
}

export function byName(a: string, b: string): number {
  return natural.compare(a, b);
}

/** Groups devices by what stands before the last `-` of their id; those that would stand alone share one group, last. */
export function groupDevices(ids: Iterable<string>): Group[] {
  const byPrefix = new Map<string, string[]>();
  for (const id of ids) {
    const dash = id.lastIndexOf("-");
    const prefix = dash > 0 ? id.slice(0, dash) : "";
    const members = byPrefix.get(prefix);
    if (members) members.push(id);
    else byPrefix.set(prefix, [id]);
  }
  const alone = byPrefix.get("") ?? [];
  byPrefix.delete("");
  const groups: Group[] = [];
  for (const [prefix, members] of byPrefix) {
    if (members.length === 1) alone.push(...members);
    else groups.push({ prefix, label: groupLabel(prefix), ids: members.sort(byName) });
  }
  groups.sort((a, b) => byName(a.label, b.label));
  if (alone.length)
    groups.push({ prefix: "", label: groups.length ? "Other devices" : "Devices", ids: alone.sort(byName) });
  return groups;
}

/** `cold-room` → `Cold room`: no plural is made of words in whatever language they are. */
export function groupLabel(prefix: string): string {
  const words = prefix.replace(/[-_./]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
