import { effect } from "@preact/signals-core";
import { html } from "lit";
import { ask } from "../alerts/ask";
import { planMaintenance } from "../alerts/maintenance";
import { plant } from "../plant/plant";
import { api } from "../wire/api";
import type { Alert } from "../wire/contract";
import "../alerts/alerts-view";
import "../connect/connect-view";
import "../device/device-view";
import "../functions/functions-view";
import "../overview/overview-view";
import "../rules/rules-view";
import "../topics/topics-view";
import "../zones/zones-view";
import "./announcer";
import "./banner";
import { askHelp } from "./help";
import { type Command, isTyping, Keyboard, moveFocus } from "./keyboard";
import { Live } from "./live";
import "./login";
import "./navigation";
import "./notices";
import { go, paths, route } from "./route";
import "./search";
import { hidden, mustLogIn, stream, wantedView } from "./session";
import "./shell.css";

/** The page: banner, navigation and the view that the URL names. */
export class TocsinApp extends Live {
  readonly #keyboard = new Keyboard();

  override connectedCallback(): void {
    this.replaceChildren(); // the shell that index.html paints before this script runs
    super.connectedCallback();
    addEventListener("keydown", this.#press);
    document.addEventListener("visibilitychange", () => {
      hidden.value = document.hidden;
    });
    effect(nameTabSoon);
    effect(() => {
      const link = stream.link.value;
      this.toggleAttribute("data-offline", link === "reconnecting" || link === "refused");
    });
    effect(tellView);
  }

  override render() {
    if (mustLogIn.value) return html`<main class="centred"><login-form></login-form></main>`;
    return html`<a class="skip" href="#view">Skip to the view</a>
      <page-banner></page-banner>
      <aside class="side"><page-search></page-search><page-navigation></page-navigation></aside>
      <main id="view" tabindex="-1">${this.#view()}</main>
      <page-notices></page-notices>
      <alert-question></alert-question>
      <maintenance-question></maintenance-question>
      <keyboard-help></keyboard-help>
      <alert-announcer></alert-announcer>`;
  }

  #view() {
    const here = route.value;
    switch (here.view) {
      case "overview":
        return html`<overview-view></overview-view>`;
      case "device":
        return html`<device-view .device=${here.device}></device-view>`;
      case "alerts":
        return html`<alerts-view .chosen=${here.alert}></alerts-view>`;
      case "rules":
        return html`<rules-view .chosen=${here.rule}></rules-view>`;
      case "zones":
        return html`<zones-view .chosen=${here.zone}></zones-view>`;
      case "functions":
        return html`<functions-view></functions-view>`;
      case "topics":
        return html`<topics-view></topics-view>`;
      case "connect":
        return html`<connect-view></connect-view>`;
      case "missing":
        return html`<section class="nothing"><h1>There is no page ${here.path}</h1><p><a href=${paths.overview()}>To the overview</a></p></section>`;
    }
  }

  readonly #press = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      if (!document.querySelector("dialog[open]") && !event.defaultPrevented) leave();
      return;
    }
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      isTyping(event.target) ||
      document.querySelector("dialog[open]")
    )
      return;
    const command = this.#keyboard.press(event.key, event.timeStamp);
    if (!command) return;
    event.preventDefault();
    obey(command);
  };
}
customElements.define("tocsin-app", TocsinApp);

/** Escape: out of a field, then out of what is open beside its list, unless something was typed there. */
function leave(): void {
  const focused = document.activeElement as HTMLElement | null;
  if (isTyping(focused)) {
    focused?.blur();
    return;
  }
  const here = route.value;
  if (here.view === "alerts" && here.alert) go(paths.alerts() + location.search);
  else if (here.view === "rules" && here.rule && !document.querySelector("rule-form [data-touched]")) go(paths.rules());
  else if (here.view === "zones" && here.zone && !document.querySelector("zone-form [data-touched]")) go(paths.zones());
  else focused?.blur();
}

function obey(command: Command): void {
  switch (command.do) {
    case "search":
      document.querySelector<HTMLInputElement>("page-search input")?.focus();
      break;
    case "next":
      moveFocus(1);
      break;
    case "previous":
      moveFocus(-1);
      break;
    case "help":
      askHelp();
      break;
    case "maintain":
      planMaintenance(alertInFocus()?.device ?? "");
      break;
    case "go":
      go(command.path);
      break;
    case "acknowledge":
    case "shelve": {
      const action = command.do === "shelve" ? "shelve" : "ack";
      const storm = document.activeElement?.closest<HTMLElement>("[data-storm]");
      if (storm) {
        storm.querySelector<HTMLElement>(`[data-testid=${action}-all]`)?.click();
        break;
      }
      const alert = alertInFocus() ?? plant.alerts.worst.value;
      if (alert) ask(action, alert);
    }
  }
}

/** The alert that the focused thing is about: a row, a tile of a device with an alert, or the one shown. */
function alertInFocus(): Alert | undefined {
  const item = document.activeElement?.closest<HTMLElement>("[data-alert], [data-device]");
  if (item?.dataset.alert) return plant.alerts.get(item.dataset.alert);
  if (item?.dataset.device) return plant.alerts.worstByDevice.value.get(item.dataset.device);
  const here = route.value;
  if (here.view === "alerts" && here.alert) return plant.alerts.get(here.alert);
  return here.view === "device" ? plant.alerts.worstByDevice.value.get(here.device) : undefined;
}

/** Not at each alert of a storm; and by a timer, as a hidden tab has no animation frames. */
const NAME_EVERY_MS = 300;
let isNaming = false;

function nameTabSoon(): void {
  plant.alerts.revision.value;
  if (isNaming) return;
  isNaming = true;
  setTimeout(() => {
    isNaming = false;
    nameTab();
  }, NAME_EVERY_MS);
}

/** The tab says from afar whether something rings. */
function nameTab(): void {
  const { critical, major, warning } = plant.alerts.counts.value;
  const signs = [critical && `▲${critical}`, major && `◆${major}`, warning && `●${warning}`].filter(Boolean).join(" ");
  document.title = signs ? `${signs} Tocsin` : "Tocsin";
}

/** Tells the server which readings this tab needs, whenever that changes. */
let told = "*";
let toldTo = "";
function tellView(): void {
  const hello = plant.hello.value;
  const wanted = wantedView();
  if (!hello || stream.link.value !== "live") return;
  if (hello.stream !== toldTo) told = "*";
  toldTo = hello.stream;
  const text = JSON.stringify(wanted);
  if (text === told || (told === "*" && wanted === "*")) return;
  told = wanted === "*" ? "*" : text;
  api.view(hello.stream, wanted).catch(() => {
    told = ""; // the stream ended meanwhile: its successor is told
  });
}
