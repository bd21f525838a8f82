import { html } from "lit";
import { Live } from "../shell/live";
import "./first-device";

export class ConnectView extends Live {
  override render() {
    return html`<first-device></first-device>`;
  }
}
customElements.define("connect-view", ConnectView);
