import { signal } from "@preact/signals-core";

/** Every view is a URL. */
export type Route =
  | { view: "overview" }
  | { view: "device"; device: string }
  | { view: "alerts"; alert: string | null }
  | { view: "rules"; rule: string | null }
  | { view: "zones"; zone: string | null }
  | { view: "functions" }
  | { view: "topics" }
  | { view: "connect" }
  | { view: "missing"; path: string };

export function parseRoute(path: string): Route {
  const [head = "", ...rest] = path.split("/").filter(Boolean).map(decode);
  const tail = rest.join("/");
  if (head === "") return { view: "overview" };
  if (head === "devices") return tail ? { view: "device", device: tail } : { view: "overview" };
  if (head === "alerts") return { view: "alerts", alert: tail || null };
  if (head === "rules") return { view: "rules", rule: tail || null };
  if (head === "zones") return { view: "zones", zone: tail || null };
  if (head === "functions" && !tail) return { view: "functions" };
  if (head === "topics" && !tail) return { view: "topics" };
  if (head === "connect" && !tail) return { view: "connect" };
  return { view: "missing", path };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const paths = {
  overview: () => "/",
  device: (id: string) => `/devices/${encodeURIComponent(id)}`,
  alerts: () => "/alerts",
  alert: (id: string) => `/alerts/${encodeURIComponent(id)}`,
  rules: () => "/rules",
  rule: (name: string) => `/rules/${encodeURIComponent(name)}`,
  newRule: (devices?: string, when?: string) => {
    const given = new URLSearchParams();
    if (devices) given.set("devices", devices);
    if (when) given.set("when", when);
    return `/rules/+new${given.size ? `?${given}` : ""}`;
  },
  zones: () => "/zones",
  zone: (name: string) => `/zones/${encodeURIComponent(name)}`,
  newZone: () => "/zones/+new",
  functions: () => "/functions",
  topics: () => "/topics",
  connect: () => "/connect",
};

export const route = signal<Route>({ view: "overview" });
/** The part after `?`: filters live there, so that they survive a reload and can be sent to a colleague. */
export const query = signal(new URLSearchParams());

function read(): void {
  route.value = parseRoute(location.pathname);
  query.value = new URLSearchParams(location.search);
}

export function go(path: string): void {
  if (path === location.pathname + location.search) return;
  const before = route.value.view;
  history.replaceState({ scroll: scrollY }, "");
  history.pushState(null, "", path);
  read();
  if (route.value.view === before) return; // a row opened beside its list: place and focus stay
  scrollTo(0, 0);
  document.getElementById("view")?.focus({ preventScroll: true });
}

/** Changes filters in place: no step in the history for each letter typed. */
export function setQuery(changes: Record<string, string | null>): void {
  const next = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) next.set(name, value);
    else next.delete(name);
  }
  history.replaceState(history.state, "", next.size ? `?${next}` : location.pathname);
  query.value = next;
}

/** Follows links within the page and the back button; back keeps the place. */
export function startRouting(): void {
  read();
  history.scrollRestoration = "manual";
  addEventListener("popstate", (event) => {
    read();
    const place = (event.state as { scroll?: number } | null)?.scroll ?? 0;
    requestAnimationFrame(() => requestAnimationFrame(() => scrollTo(0, place)));
  });
  addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    if (parseRoute(link.pathname).view === "missing") return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}
