import { type Signal, signal } from "@preact/signals-core";
import { decimalsFor, decimalsOf, formatValue } from "../reading/number";
import { Trail } from "../reading/trail";
import { switchWords, unitOf } from "../reading/unit";
import {
  type Connection,
  type DeviceState,
  type Freshness,
  type Limits,
  type MetricState,
  millis,
  type Presence,
  type Profile,
  type Reading,
  type RejectedPayload,
  type Tags,
  type Value,
} from "../wire/contract";

/** One metric of one device. State: its newest value and the trail of its last minutes. */
export class Series {
  value: Value | null = null;
  time = 0;
  unit: string;
  readonly trail = new Trail();
  #magnitude = 0;
  #sent = 0;

  constructor(
    readonly device: string,
    readonly metric: string,
  ) {
    this.unit = unitOf(metric);
  }

  get isNumeric(): boolean {
    return typeof this.value === "number";
  }

  /** Decimals that stay put while the value wanders: as the greatest value needs, but no more than the device sends. */
  get decimals(): number {
    return Math.min(decimalsFor(this.#magnitude), this.#sent);
  }

  /** The newest value as text, without its unit. */
  get text(): string {
    return formatValue(this.value, this.decimals, switchWords(this.metric));
  }

  take(time: number, value: Value, min: number | null, max: number | null): void {
    if (typeof value === "number") {
      this.#magnitude = Math.max(this.#magnitude, Math.abs(value));
      this.#sent = Math.max(this.#sent, decimalsOf(value));
      this.trail.add(time, value, min ?? value, max ?? value);
    }
    if (time < this.time) return;
    this.time = time;
    this.value = value;
  }

  /** Puts what history holds before the live readings. */
  backfill(time: number, value: number, min: number, max: number): void {
    this.#magnitude = Math.max(this.#magnitude, Math.abs(value));
    this.trail.add(time, value, min, max);
  }

  describe(state: MetricState): void {
    this.unit = unitOf(this.metric, state.unit);
    const time = millis(state.time) ?? 0;
    if (state.value !== null && time >= this.time) this.take(time, state.value, null, null);
  }
}

export interface Counters {
  messages: number;
  readings: number;
  late: number;
  duplicates: number;
  rejected: number;
  future: number;
  jumps: number;
}

/** A device as the page knows it. State: presence, counters, series; `revision` rises whenever any of it changes. */
export class Device {
  readonly revision: Signal<number> = signal(0);
  readonly series = new Map<string, Series>();
  connection: Connection = "unknown";
  connectionReason: string | null = null;
  via: string | null = null;
  freshness: Freshness = "never";
  lastSeen: number | null = null;
  counters: Counters = { messages: 0, readings: 0, late: 0, duplicates: 0, rejected: 0, future: 0, jumps: 0 };
  lastRejected: RejectedPayload | null = null;
  tags: Tags = {};
  limits: Limits = {};
  profile: Profile = {};
  /** By how many seconds its clock is ahead of the server's, negative behind; null where it states no times. */
  clockSkew: number | null = null;
  clockWrong = false;
  #presenceRevision = -1;

  constructor(readonly id: string) {}

  describe(state: DeviceState): void {
    this.connection = state.connection;
    this.connectionReason = state.connection_reason;
    this.via = state.via;
    this.freshness = state.freshness;
    this.#see(millis(state.last_seen));
    this.counters = {
      messages: state.messages_total,
      readings: state.readings_total,
      late: state.late_total,
      duplicates: state.duplicates_total,
      rejected: state.rejected_total,
      future: state.future_total ?? 0,
      jumps: state.jumps_total ?? 0,
    };
    this.lastRejected = state.last_rejected ?? null;
    this.tags = state.tags ?? {};
    this.limits = state.limits ?? {};
    this.profile = state.profile ?? {};
    this.clockSkew = state.clock_skew_s ?? null;
    this.clockWrong = state.clock_wrong ?? false;
    for (const [metric, newest] of Object.entries(state.metrics)) this.seriesOf(metric).describe(newest);
  }

  meet(presence: Presence): void {
    if (presence.revision < this.#presenceRevision) return;
    this.#presenceRevision = presence.revision;
    this.connection = presence.connection;
    this.connectionReason = presence.connection_reason;
    this.freshness = presence.freshness;
    this.via = presence.via;
    this.#see(millis(presence.last_seen));
  }

  take([, metric, time, value, min, max]: Reading, at: number): void {
    this.seriesOf(metric).take(time, value, min, max);
    this.#see(at);
  }

  seriesOf(metric: string): Series {
    let series = this.series.get(metric);
    if (!series) {
      series = new Series(this.id, metric);
      this.series.set(metric, series);
    }
    return series;
  }

  /** A server that started anew counts presence revisions from the beginning. */
  forgetRevision(): void {
    this.#presenceRevision = -1;
  }

  #see(at: number | null): void {
    if (at !== null && at > (this.lastSeen ?? 0)) this.lastSeen = at;
  }
}
