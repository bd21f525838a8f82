import { html, nothing, type TemplateResult } from "lit";
import type { Device } from "../plant/device";
import { formatAge, formatSkew } from "../reading/age";

/** Connection and freshness are two things: a mark for the one, words and an age for the other. */
export function presenceMark(device: Device, now: number): TemplateResult {
  const age = device.lastSeen === null ? "" : formatAge(now - device.lastSeen);
  const words = { fresh: "", stale: "stale ", silent: "silent ", never: "no data" }[device.freshness];
  return html`<span class="presence" data-freshness=${device.freshness} title=${presenceWords(device, now)}>
    ${clockMark(device)}${connectionMark(device)}<span>${words}${device.freshness === "never" ? nothing : age}</span>
  </span>`;
}

/** A clock that is wrong puts all that its device says in the wrong place: it catches the eye. */
export function clockMark({ clockWrong, clockSkew }: Device): TemplateResult | typeof nothing {
  if (!clockWrong || clockSkew === null) return nothing;
  const words = `its clock is ${formatSkew(clockSkew)}`;
  return html`<svg class="clock-wrong" data-testid="clock-wrong" viewBox="0 0 12 12" role="img" aria-label=${words}>
    <title>${words}</title>
    <circle cx="6" cy="6" r="4.5"></circle>
    <path d="M6 3.2V6l2 1.2"></path>
  </svg>`;
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
