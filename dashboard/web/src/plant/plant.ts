import { batch, signal } from "@preact/signals-core";
import { type Alert, type Events, type Hello, millis, type Status } from "../wire/contract";
import { AlertBook } from "./alerts";
import { setServerTime } from "./clock";
import { Fleet } from "./fleet";
import { RuleBook } from "./rules";

/** Everything the stream tells, folded into what the page shows. */
export class Plant {
  readonly fleet = new Fleet();
  readonly alerts = new AlertBook();
  readonly rules = new RuleBook();
  readonly hello = signal<Hello | null>(null);
  readonly status = signal<Status | null>(null);
  /** Called for an alert that begins to ring while somebody watches; not for those found on opening the page. */
  onRing: (alert: Alert) => void = () => {};

  /** Whether what the server tells since `hello` is its present state, not news. */
  #opening = true;

  apply<Name extends keyof Events>(name: Name, data: Events[Name]): void {
    batch(() => this.#reduce[name](data));
  }

  readonly #reduce: { [Name in keyof Events]: (data: Events[Name]) => void } = {
    hello: (hello) => {
      this.hello.value = hello;
      this.#tellTime(hello.now);
      if (!hello.reset) return;
      this.#opening = true;
      this.fleet.reset();
      this.alerts.reset();
    },
    devices: ({ devices, complete }) => this.fleet.describe(devices, complete),
    readings: (frame) => this.fleet.take(frame),
    presence: (presence) => this.fleet.meet(presence),
    rules: ({ rules }) => this.rules.take(rules),
    alert: (alert) => {
      const rings = this.alerts.take(alert);
      if (rings && !this.#opening) this.onRing(alert);
    },
    // The first status after `hello` ends the opening: everything that is there has been told.
    status: (status) => {
      this.status.value = status;
      this.#tellTime(status.now);
      this.#opening = false;
      this.alerts.settle();
    },
  };

  #tellTime(at: string | number): void {
    const server = millis(at);
    if (server !== null) setServerTime(server);
  }
}

export const plant = new Plant();
