import { html, nothing, type TemplateResult } from "lit";
import type { Device } from "../plant/device";
import { formatAge } from "../reading/age";

/** Connection and freshness are two things: a mark for the one, words and an age for the other. */
export function presenceMark(device: Device, now: number): TemplateResult {
  const age = device.lastSeen === null ? "" : formatAge(now - device.lastSeen);
  const words = { fresh: "", stale: "stale ", silent: "silent ", never: "no data" }[device.freshness];
  return html`<span class="presence" data-freshness=${device.freshness} title=${presenceWords(device, now)}>
    ${connectionMark(device)}<span>${words}${device.freshness === "never" ? nothing : age}</span>
  </span>`;
}

export function connectionMark({ connection }: Pick<Device, "connection">): TemplateResult {
  return html`<svg class="connection" data-connection=${connection} viewBox="0 0 12 12" role="img" aria-label=${connection}>
    <circle cx="6" cy="6" r="4"></circle>
    <path d="M1.5 10.5 10.5 1.5"></path>
  </svg>`;
}

export function presenceWords(device: Device, now: number): string {
  const connection = {
    online: "connected",
    offline: `offline${device.connectionReason ? ` (${device.connectionReason})` : ""}`,
    unknown: "no lasting connection seen",
  }[device.connection];
  const seen =
    device.lastSeen === null
      ? "nothing received yet"
      : now - device.lastSeen < 1_000
        ? "last data just now"
        : `last data ${formatAge(now - device.lastSeen)} ago`;
  return `${connection}, ${device.freshness === "never" ? "" : `${device.freshness}, `}${seen}`;
}
