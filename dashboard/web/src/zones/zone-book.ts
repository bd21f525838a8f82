import { signal } from "@preact/signals-core";
import { follow } from "../plant/changes";
import type { Device } from "../plant/device";
import { plant } from "../plant/plant";
import { api } from "../wire/api";
import type { Zone } from "../wire/contract";
import type { Place } from "./outline";

/** The zones there are; null until they are known. */
export const zones = signal<readonly Zone[] | null>(null);

/** Keeps `zones` as the server has them, until what is returned is called. */
export function followZones(): () => void {
  return follow("zones", () => void readZones());
}

export async function readZones(): Promise<void> {
  try {
    zones.value = await api.zones();
  } catch {
    // The server cannot be reached, which the page says elsewhere.
  }
}

/** Whether the page may change a zone; one from a file is changed in its file. */
export function isEditable(zone: Zone): boolean {
  return zone.source === "api";
}

export function sourceOf(zone: Zone): string {
  return zone.source.replace(/^file:/, "");
}

/** More dots than this say nothing that fewer would not. */
const DOTS = 500;

/** Devices that say where they are, and their newest position. */
export function positions(): { device: Device; place: Place }[] {
  const found: { device: Device; place: Place }[] = [];
  plant.fleet.presence.value;
  for (const id of plant.fleet.ids.value) {
    const device = plant.fleet.get(id);
    const [longitude, latitude] = [device?.series.get("lon"), device?.series.get("lat")];
    if (!device || !longitude || !latitude) continue;
    device.revision.value;
    if (typeof longitude.value !== "number" || typeof latitude.value !== "number") continue;
    found.push({ device, place: [longitude.value, latitude.value] });
    if (found.length === DOTS) break;
  }
  return found;
}
