import { signal } from "@preact/signals-core";

/** The server's time in ms as this browser reckons it, once a second: ages do not depend on the browser's clock. */
export const now = signal(Date.now());

let offset = 0;

export function setServerTime(serverMs: number): void {
  offset = serverMs - Date.now();
  now.value = serverNow();
}

export function serverNow(): number {
  return Date.now() + offset;
}

export function startClock(): void {
  setInterval(() => {
    now.value = serverNow();
  }, 1_000);
}
