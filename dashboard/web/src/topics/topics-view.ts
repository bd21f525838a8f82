import { computed, signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { now } from "../plant/clock";
import { plant } from "../plant/plant";
import { formatAge, formatTime } from "../reading/age";
import { byName } from "../reading/groups";
import { formatCount } from "../reading/number";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { paths } from "../shell/route";
import { api } from "../wire/api";
import { millis, type UnclaimedTopic } from "../wire/contract";
import "./topics.css";

const topics = signal<readonly UnclaimedTopic[] | null>(null);

/** Devices of which something was refused, came late or twice. */
const troubled = computed(() => {
  plant.fleet.presence.value;
  return [...plant.fleet.all()]
    .filter(({ counters }) => counters.rejected + counters.late + counters.duplicates + counters.future > 0)
    .sort((a, b) => b.counters.rejected - a.counters.rejected || byName(a.id, b.id));
});

/** What arrives and finds no place: topics nothing claims, payloads nobody can read. */
export class TopicsView extends Live {
  override connectedCallback(): void {
    super.connectedCallback();
    void this.#read();
  }

  override render() {
    return html`<h1>Topics</h1>
      <section class="panel" aria-labelledby="unclaimed-title" data-testid="unclaimed">
        <header><h2 id="unclaimed-title">Unclaimed topics</h2><button @click=${this.#read}>Read again</button></header>
        <p class="dim">Messages on these topics are no telemetry that Tocsin knows. They reach MQTT subscribers, but nothing is stored or judged.
          Publish on <code>devices/{device}/telemetry</code>, or name the pattern under <code>[[topic]]</code> in <code>tocsin.toml</code>.</p>
        ${this.#unclaimed()}
      </section>
      <section class="panel" aria-labelledby="troubled-title" data-testid="troubled">
        <header><h2 id="troubled-title">Devices with refused, late or repeated data</h2></header>
        ${this.#troubled()}
      </section>`;
  }

  #unclaimed() {
    const known = topics.value;
    if (!known) return nothing;
    if (known.length === 0) return html`<p class="nothing">Every topic seen so far has its place.</p>`;
    return html`<div class="scroll"><table>
      <thead><tr><th>Topic</th><th class="number">Messages</th><th class="number">Last</th><th>Newest payload</th></tr></thead>
      <tbody>${known.map(
        ({ topic, count, last_at, preview }) => html`<tr data-item tabindex="0">
          <td><code>${topic}</code></td><td class="number">${formatCount(count)}</td>
          <td class="number">${formatAge(now.value - (millis(last_at) ?? 0))}</td><td class="payload"><code>${preview}</code></td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  #troubled() {
    const devices = troubled.value;
    if (devices.length === 0) return html`<p class="nothing">None.</p>`;
    return html`<div class="scroll"><table>
      <thead><tr><th>Device</th><th class="number">Rejected</th><th class="number">Late</th><th class="number">Duplicates</th><th class="number">From the future</th><th>Last rejected payload</th></tr></thead>
      <tbody>${devices.slice(0, 200).map(
        ({ id, counters, lastRejected }) => html`<tr>
          <td><a href=${paths.device(id)} data-item>${id}</a></td>
          ${[counters.rejected, counters.late, counters.duplicates, counters.future].map((count) => html`<td class="number ${count ? "" : "dim"}">${formatCount(count)}</td>`)}
          <td class="payload">${lastRejected ? html`<span>${lastRejected.reason}</span> <span class="dim">${formatTime(millis(lastRejected.at) ?? 0, now.value)}</span><br><code>${lastRejected.payload_preview}</code>` : nothing}</td>
        </tr>`,
      )}</tbody>
    </table></div>`;
  }

  readonly #read = async (): Promise<void> => {
    try {
      topics.value = await api.topics();
    } catch (error) {
      complain(error);
    }
  };
}
customElements.define("topics-view", TopicsView);
