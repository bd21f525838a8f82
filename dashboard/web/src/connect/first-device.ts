import { computed, signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatAge } from "../reading/age";
import { metricLabel } from "../reading/unit";
import { icon } from "../shell/icons";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { paths } from "../shell/route";
import { isLoggedIn, me } from "../shell/session";
import { brokerAddress, isDeviceId, snippets } from "./snippets";
import "./connect.css";

const COPIED_MS = 1_600;

/** How to connect a device, with the real address, and the device itself as soon as it speaks. */
export class FirstDevice extends Live {
  readonly #device = signal("my-first");
  readonly #chosen = signal("mosquitto");
  readonly #copied = signal(false);
  readonly #before = signal<ReadonlySet<string> | null>(null);
  readonly #arrived = computed(() => {
    const before = this.#before.value;
    return before ? plant.fleet.ids.value.filter((id) => !before.has(id)) : [];
  });

  override render() {
    if (plant.fleet.known.value && !this.#before.peek()) this.#before.value = new Set(plant.fleet.ids.value);
    const address = brokerAddress(plant.hello.value?.mqtt ?? me.value?.mqtt ?? null, location.hostname);
    const id = this.#device.value;
    const given = snippets(address, isDeviceId(id) ? id : "my-first", isLoggedIn.value);
    const chosen = given.find(({ name }) => name === this.#chosen.value) ?? given[0];
    return html`<section class="connect" aria-labelledby="connect-title">
      <h1 id="connect-title">${plant.fleet.ids.value.length ? "Connect a device" : "Connect the first device"}</h1>
      <p class="lead">Anything that speaks MQTT can publish here. A device appears by itself with its first message; nothing has to be set up before.</p>
      <dl class="address">
        <dt>Broker</dt><dd><code data-testid="mqtt-address">${address.host}:${address.port}</code></dd>
        <dt>Topic</dt><dd><code>devices/<input class="inline" aria-label="Device id" maxlength="128" spellcheck="false" data-testid="device-id"
          .value=${id} aria-invalid=${!isDeviceId(id)} @input=${(event: InputEvent) => (this.#device.value = (event.target as HTMLInputElement).value)}>/telemetry</code></dd>
        <dt>Payload</dt><dd>a JSON object; numbers, booleans and strings become metrics, <code>ts</code> is the time of measurement</dd>
      </dl>
      ${isDeviceId(id) ? nothing : html`<p class="error">A device id is one topic level: 1 to 128 characters without spaces, <code>/</code>, <code>#</code>, <code>+</code> or <code>$</code>.</p>`}
      <div class="snippet">
        <div class="segments" role="group" aria-label="Program">
          ${given.map(({ name, label }) => html`<button aria-pressed=${name === chosen?.name} @click=${() => (this.#chosen.value = name)}>${label}</button>`)}
        </div>
        <pre data-testid="snippet"><code>${chosen?.text}</code></pre>
        <button class="copy" @click=${() => this.#copy(chosen?.text ?? "")} data-testid="copy">${this.#copied.value ? html`${icon("check")} Copied` : html`${icon("copy")} Copy`}</button>
      </div>
      ${this.#arrivals()}
    </section>`;
  }

  #arrivals() {
    const arrived = this.#arrived.value;
    if (arrived.length === 0) {
      return html`<p class="waiting" role="status" data-testid="waiting"><i aria-hidden="true"></i> Waiting for the first message of a new device.</p>`;
    }
    return html`<div class="arrivals" role="status" data-testid="arrivals">
      <h2>${arrived.length === 1 ? "It is here" : `${arrived.length} new devices are here`}</h2>
      <ul>${arrived
        .slice(-20)
        .reverse()
        .map((id) => this.#arrival(id))}</ul>
    </div>`;
  }

  #arrival(id: string) {
    const device = plant.fleet.get(id);
    if (!device) return nothing;
    device.revision.value;
    const values = [...device.series.values()].slice(0, 4);
    return html`<li><a href=${paths.device(id)} data-item data-testid="arrived-${id}">
      <b>${id}</b>
      <span>${values.map((series) => html`<span class="reading">${metricLabel(series.metric)} <b>${series.text}</b>${series.unit ? html`<span class="unit">${series.unit}</span>` : nothing}</span>`)}</span>
      <span class="dim">${device.lastSeen === null ? "" : `${formatAge(now.value - device.lastSeen)}`}</span>
    </a></li>`;
  }

  async #copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      this.#copied.value = true;
      setTimeout(() => (this.#copied.value = false), COPIED_MS);
    } catch {
      complain("The browser does not let the page copy. Select the text and copy it by hand.");
    }
  }
}
customElements.define("first-device", FirstDevice);
