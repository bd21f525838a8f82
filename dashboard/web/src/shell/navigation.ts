import { html, nothing } from "lit";
import { needsAcknowledgement } from "../plant/alerts";
import { plant } from "../plant/plant";
import { formatCount } from "../reading/number";
import { askHelp } from "./help";
import { type IconName, icon } from "./icons";
import { Live } from "./live";
import { paths, route } from "./route";
import { isLoggedIn, logOut, me } from "./session";
import { nextTheme, theme } from "./theme";

const VIEWS: readonly { view: string; label: string; path: string; icon: IconName }[] = [
  { view: "overview", label: "Overview", path: paths.overview(), icon: "overview" },
  { view: "alerts", label: "Alerts", path: paths.alerts(), icon: "alerts" },
  { view: "rules", label: "Rules", path: paths.rules(), icon: "rules" },
  { view: "zones", label: "Zones", path: paths.zones(), icon: "zones" },
  { view: "functions", label: "Functions", path: paths.functions(), icon: "functions" },
  { view: "topics", label: "Topics", path: paths.topics(), icon: "topics" },
  { view: "connect", label: "Connect", path: paths.connect(), icon: "connect" },
];

export class PageNavigation extends Live {
  override render() {
    const here = route.value.view === "device" ? "overview" : route.value.view;
    const waiting = plant.alerts.open.value.filter(needsAcknowledgement).length;
    return html`<nav class="views" aria-label="Views">
      ${VIEWS.map(
        ({
          view,
          label,
          path,
          icon: name,
        }) => html`<a href=${path} aria-current=${view === here ? "page" : nothing} data-testid="nav-${view}">
          ${icon(name)}<span>${label}</span>${view === "alerts" && waiting ? html`<b class="badge" title="${waiting} not acknowledged">${formatCount(waiting)}</b>` : nothing}
        </a>`,
      )}
      <div class="aside">
        <button class="bare" @click=${nextTheme} title="Colours: ${theme.value}" data-testid="theme">${icon("theme")}<span>${{ system: "As the system", dark: "Dark", light: "Light" }[theme.value]}</span></button>
        <button class="bare" @click=${askHelp} title="Keyboard"><kbd>?</kbd><span>Keyboard</span></button>
        ${isLoggedIn.value ? html`<button class="bare" @click=${logOut}><span>Log out ${me.value?.name}</span></button>` : nothing}
        ${plant.hello.value ? html`<p class="version">${plant.hello.value.demo ? "Demo plant · " : ""}<a href="/docs" target="_blank">API</a> · ${plant.hello.value.version}</p>` : nothing}
      </div>
    </nav>`;
  }
}
customElements.define("page-navigation", PageNavigation);
