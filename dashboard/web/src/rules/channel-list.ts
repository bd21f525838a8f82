import { signal } from "@preact/signals-core";
import { html, nothing } from "lit";
import { follow } from "../plant/changes";
import { now } from "../plant/clock";
import { formatAge } from "../reading/age";
import { formatCount } from "../reading/number";
import { Live } from "../shell/live";
import { complain, say } from "../shell/notices";
import { api } from "../wire/api";
import { type Channel, millis } from "../wire/contract";

/** The channels that rules can name in their actions, and how each does. */
export class ChannelList extends Live {
  readonly #channels = signal<readonly Channel[]>([]);
  #unfollow = () => {};

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = follow("deliveries", () => void this.#look());
  }

  override disconnectedCallback(): void {
    this.#unfollow();
    super.disconnectedCallback();
  }

  override render() {
    const channels = this.#channels.value;
    if (channels.length === 0) return nothing;
    return html`<h2 class="lately">Channels</h2>
      <div class="scroll"><table data-testid="channels">
        <thead><tr><th>Channel</th><th>Where to</th><th>State</th><th class="number">Waiting</th><th class="number">Confirmed</th><th class="number">Dead</th><th><span class="unseen">Actions</span></th></tr></thead>
        <tbody>${channels.map(
          (channel) => html`<tr data-item tabindex="0" data-channel=${channel.name}>
            <td>${channel.name}</td><td><code>${channel.target}</code>${channel.group_by ? html` <small class="dim">together by ${channel.group_by}</small>` : nothing}</td>
            <td>${channel.failing ? html`<b>failing</b>` : channel.last_success_at ? html`ok <small class="dim">${formatAge(now.value - (millis(channel.last_success_at) ?? 0))}</small>` : "not used yet"}${channel.failing && channel.last_error ? html` <small class="dim">${channel.last_error}</small>` : nothing}</td>
            <td class="number">${formatCount(channel.waiting)}</td>
            <td class="number">${formatCount(channel.confirmed_total)}</td>
            <td class="number">${formatCount(channel.dead_total)}</td>
            <td class="actions">${channel.dead_total ? html`<button @click=${() => this.#redrive(channel.name)}>Send again</button>` : nothing}</td>
          </tr>`,
        )}</tbody>
      </table></div>`;
  }

  async #look(): Promise<void> {
    try {
      this.#channels.value = await api.channels();
    } catch {
      // The server cannot be reached, which the page says elsewhere.
    }
  }

  async #redrive(channel: string): Promise<void> {
    try {
      const { count } = await api.redrive({ channel });
      say(count ? `${formatCount(count)} are sent again through ${channel}.` : `Nothing is dead in ${channel}.`);
      await this.#look();
    } catch (error) {
      complain(error);
    }
  }
}
customElements.define("channel-list", ChannelList);
