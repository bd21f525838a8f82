import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { follow } from "../plant/changes";
import { now } from "../plant/clock";
import { formatTime } from "../reading/age";
import { formatCount } from "../reading/number";
import { Live } from "../shell/live";
import { complain } from "../shell/notices";
import { api } from "../wire/api";
import { type FunctionReport, type FunctionState, millis } from "../wire/contract";
import "./functions.css";

const EXAMPLE = `# power.py
from tocsin.ingest.functions import Reading, on_reading

@on_reading("boiler-*", metrics=["volts", "amps"])
def power(reading: Reading) -> dict[str, float]:
    """Electric power of a boiler, a metric with a chart, that rules can read."""
    return {"power_kw": reading["volts"] * reading["amps"] / 1000}`;
const report = signal<FunctionReport | null>(null);

/** Functions that people wrote themselves: what they do, and what went wrong in them. */
export class FunctionsView extends Live {
  #unfollow = () => {};
  #complained = false;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = follow("functions", () => void this.#read());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unfollow();
  }

  override render() {
    const known = report.value;
    return html`<h1>Functions</h1>
      ${known ? html`${this.#functions(known)}${this.#log(known)}` : nothing}`;
  }

  #functions(known: FunctionReport) {
    const broken = known.sources.filter(({ error }) => error);
    return html`<section class="panel" aria-labelledby="functions-title" data-testid="functions">
      <header><h2 id="functions-title">Python beside the rules</h2>${known.worker === "none" ? nothing : html`<span class="dim">worker ${known.worker}</span>`}</header>
      ${broken.map(({ name, error }) => html`<p class="problem"><strong>${name} is not loaded.</strong></p><pre>${error}</pre>`)}
      ${
        known.functions.length === 0
          ? html`<p class="nothing">There are none. A file in ${known.folder ? html`<code>${known.folder}</code>` : html`a folder <code>functions</code> beside <code>tocsin.toml</code>`} runs here two seconds after it is saved:</p>
            <pre>${EXAMPLE}</pre>`
          : html`<div class="scroll"><table>
        <thead><tr><th>Function</th><th>For</th><th>State</th><th class="number">Calls</th><th class="number">Each</th><th class="number">Made</th><th class="number">Refused</th><th class="number">Errors</th><th class="number">Too long</th><th class="number">Crashes</th><th>Last error</th></tr></thead>
        <tbody>${known.functions.map((each) => this.#row(each))}</tbody>
      </table></div>`
      }
      ${this.#missed(known)}
    </section>`;
  }

  #row(each: FunctionState) {
    const troubles = [each.refused_total, each.errors_total, each.timeouts_total, each.crashes_total];
    const cost = each.calls_total ? `${formatCount(Math.round((each.seconds_total / each.calls_total) * 1e6))} µs` : "";
    const until = millis(each.paused_until);
    return html`<tr data-item tabindex="0">
      <td><code>${each.name}</code>${each.doc ? html`<br><span class="dim">${each.doc}</span>` : nothing}</td>
      <td><code>${each.devices}</code>${each.kind === "alert" ? html` <span class="dim">alerts</span>` : nothing}</td>
      <td>${until ? html`<strong>rests until ${formatTime(until, now.value)}</strong>` : each.state}</td>
      <td class="number">${formatCount(each.calls_total)}</td>
      <td class="number">${cost}</td>
      <td class="number">${formatCount(each.readings_total + each.comments_total)}</td>
      ${troubles.map((count) => html`<td class="number ${count ? "" : "dim"}">${formatCount(count)}</td>`)}
      <td class="why">${each.last_error ? html`<span class="dim">${formatTime(millis(each.last_error_at) ?? 0, now.value)}</span><pre>${each.last_error}</pre>` : nothing}</td>
    </tr>`;
  }

  #missed(known: FunctionReport) {
    const { dropped_readings_total: dropped, dropped_alerts_total: alerts, lost_readings_total: lost } = known;
    if (dropped + alerts + lost === 0) return nothing;
    return html`<p class="dim">Functions did not see ${formatCount(dropped + lost)} readings and ${formatCount(alerts)} transitions of alerts,
      because they were too slow or had to be stopped. Rules have judged all of them.</p>`;
  }

  #log(known: FunctionReport) {
    if (known.log.length === 0) return nothing;
    return html`<section class="panel" aria-labelledby="function-log-title" data-testid="function-log">
      <header><h2 id="function-log-title">What they print and log</h2></header>
      <ol class="lines">${[...known.log].reverse().map(
        ({ time, function: name, text }) => html`<li>
          <time class="dim">${formatTime(millis(time) ?? 0, now.value)}</time><code class="dim">${name}</code><code>${text}</code>
        </li>`,
      )}</ol>
    </section>`;
  }

  readonly #read = async (): Promise<void> => {
    try {
      report.value = await api.functions();
      this.#complained = false;
    } catch (error) {
      if (!this.#complained) complain(error); // and not again and again
      this.#complained = true;
    }
  };
}
customElements.define("functions-view", FunctionsView);
