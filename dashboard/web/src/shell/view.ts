import type { Route } from "./route";

/** Up to this many devices every reading is sent at all times: their sparklines then have no gaps. */
const SMALL_FLEET = 300;

/** The devices whose readings a tab needs; of a large fleet only those that it shows. */
export function viewOf(route: Route, fleetSize: number, hidden: boolean): "*" | string[] {
  if (fleetSize <= SMALL_FLEET) return "*";
  if (hidden) return [];
  if (["overview", "zones", "connect"].includes(route.view)) return "*";
  return route.view === "device" ? [route.device] : [];
}
