import { describe, expect, test } from "vitest";
import type { Alert, DeviceState, Events } from "../wire/contract";
import { Plant } from "./plant";

const at = (s: number) => new Date(1.7e12 + s * 1_000).toISOString();

function device(id: string, rest: Partial<DeviceState> = {}): DeviceState {
  return {
    id,
    connection: "online",
    connection_reason: null,
    via: id,
    freshness: "fresh",
    last_seen: at(0),
    messages_total: 1,
    readings_total: 1,
    late_total: 0,
    duplicates_total: 0,
    rejected_total: 0,
    metrics: { temp_c: { value: 20, time: at(0), unit: "°C" } },
    ...rest,
  };
}

function alert(id: string, rest: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: "hot",
    subject: "a",
    device: "a",
    severity: "critical",
    state: "active",
    active: true,
    acknowledged: false,
    latched: false,
    suppression: "none",
    value: 95,
    message: "",
    began_at: at(0),
    raised_at: at(1),
    cleared_at: null,
    acknowledged_by: null,
    acknowledged_at: null,
    comments: [],
    durable: true,
    revision: 1,
    ...rest,
  };
}

const hello = (reset: boolean): Events["hello"] => ({
  stream: "s",
  boot: "b",
  reset,
  now: at(0),
  version: "1",
  mqtt: { host: "h", port: 1 },
  demo: false,
});
const status: Events["status"] = {
  now: at(0),
  messages_per_s: 1,
  readings_per_s: 1,
  messages_total: 1,
  readings_total: 1,
  devices: 1,
  series: 1,
  rejected_total: 0,
  late_total: 0,
  duplicates_total: 0,
  viewers: 1,
  connections: 1,
  latency: { count: 1, under_250ms: 1, p50_ms: 1, p99_ms: 1, max_ms: 1 },
  journal: { state: "ok", error: null, pending_bytes: 0, last_commit_ms: 1 },
  troubles: [],
  failures_total: 0,
  dropped_readings_total: 0,
  stopping: false,
  changes: { deliveries: 1, maintenance: 1, functions: 1, zones: 1 },
};

/** A plant after the events with which a stream opens. */
function opened(devices = [device("a"), device("b")], alerts: Alert[] = []): Plant {
  const plant = new Plant();
  plant.apply("hello", hello(true));
  plant.apply("devices", { devices, complete: true });
  for (const one of alerts) plant.apply("alert", one);
  plant.apply("status", status);
  return plant;
}

describe("devices", () => {
  test("an empty plant is known to be empty only when its listing is complete", () => {
    const plant = new Plant();
    plant.apply("hello", hello(true));
    expect(plant.fleet.known.value).toBe(false);
    plant.apply("devices", { devices: [], complete: true });
    expect(plant.fleet.known.value).toBe(true);
  });

  test("a frame moves the newest value, and a spike within it stays in the trail", () => {
    const plant = opened();
    plant.apply("readings", {
      at: 1.7e12 + 5_000,
      received_at: 0,
      readings: [["a", "temp_c", 1.7e12 + 5_000, 21, 20, 99, 3]],
    });
    const series = plant.fleet.get("a")?.seriesOf("temp_c");
    expect(series?.value).toBe(21);
    expect(series?.trail.range()).toEqual([20, 99]);
    expect(plant.fleet.get("a")?.lastSeen).toBe(1.7e12 + 5_000);
  });

  test("an older reading does not become the newest value", () => {
    const plant = opened();
    plant.apply("readings", { at: 1.7e12, received_at: 0, readings: [["a", "temp_c", 1.7e12 - 60_000, 5, 5, 5, 1]] });
    expect(plant.fleet.get("a")?.seriesOf("temp_c").value).toBe(20);
  });

  test("a frame touches the revision of its devices only, once each", () => {
    const plant = opened();
    const before = ["a", "b"].map((id) => plant.fleet.get(id)?.revision.value ?? 0);
    plant.apply("readings", {
      at: 1.7e12 + 1_000,
      received_at: 0,
      readings: ["x", "y"].map((metric) => ["a", metric, 1.7e12, 1, 1, 1, 1]),
    });
    const after = ["a", "b"].map((id) => plant.fleet.get(id)?.revision.value ?? 0);
    expect(after).toEqual([(before[0] ?? 0) + 1, before[1]]);
  });

  test("the list of ids is the same object while no device comes or goes", () => {
    const plant = opened();
    const ids = plant.fleet.ids.value;
    plant.apply("devices", { devices: [device("a", { messages_total: 9 })], complete: true });
    expect(plant.fleet.ids.value).toBe(ids);
    plant.apply("readings", { at: 1.7e12, received_at: 0, readings: [["new", "x", 1.7e12, 1, 1, 1, 1]] });
    expect(plant.fleet.ids.value).toEqual(["a", "b", "new"]);
  });

  test("the newest presence wins, until the server starts anew", () => {
    const plant = opened();
    const presence = (revision: number, connection: "online" | "offline"): Events["presence"] => ({
      device: "a",
      connection,
      connection_reason: null,
      freshness: "fresh",
      via: null,
      last_seen: at(1),
      revision,
    });
    plant.apply("presence", presence(5, "offline"));
    plant.apply("presence", presence(4, "online"));
    expect(plant.fleet.get("a")?.connection).toBe("offline");
    plant.apply("hello", hello(true));
    plant.apply("presence", presence(1, "online"));
    expect(plant.fleet.get("a")?.connection).toBe("online");
  });
});

describe("alerts", () => {
  test("the newest revision wins", () => {
    const plant = opened([device("a")], [alert("1", { revision: 3, state: "acknowledged", acknowledged: true })]);
    plant.apply("alert", alert("1", { revision: 2 }));
    expect(plant.alerts.get("1")?.state).toBe("acknowledged");
  });

  test("the worst is the most severe that rings and nobody has acknowledged or shelved", () => {
    const plant = opened(
      [device("a")],
      [
        alert("known", { acknowledged: true, state: "acknowledged" }),
        alert("shelved", { suppression: "shelved" }),
        alert("over", { state: "cleared_unacknowledged", active: false }),
        alert("warning", { severity: "warning" }),
        alert("major", { severity: "major" }),
      ],
    );
    expect(plant.alerts.worst.value?.id).toBe("major");
    expect(plant.alerts.counts.value).toEqual({ critical: 2, major: 1, warning: 1, info: 0 });
    expect(plant.alerts.worstByDevice.value.get("a")?.id).toBe("known");
  });

  test("what rang before the page was opened is no news; what rings now is, once", () => {
    const plant = new Plant();
    const rung: string[] = [];
    plant.onRing = ({ id }) => rung.push(id);
    plant.apply("hello", hello(true));
    plant.apply("alert", alert("old"));
    plant.apply("status", status);
    plant.apply("alert", alert("pending", { state: "pending", active: false, raised_at: null }));
    expect(rung).toEqual([]);
    plant.apply("alert", alert("pending", { revision: 2 }));
    plant.apply("alert", alert("pending", { revision: 3, state: "acknowledged", acknowledged: true }));
    expect(rung).toEqual(["pending"]);
  });

  test("an alert that vanished while pending is in no list", () => {
    const plant = opened([device("a")], [alert("1", { state: "cleared", active: false, raised_at: null })]);
    expect(plant.alerts.all.value).toEqual([]);
  });
});

describe("a reset", () => {
  test("keeps the screen until the new state is told, then drops what was not told again", () => {
    const plant = opened([device("a"), device("gone")], [alert("1"), alert("over")]);
    plant.apply("hello", hello(true));
    expect(plant.fleet.size).toBe(2);
    plant.apply("devices", { devices: [device("a")], complete: true });
    expect(plant.fleet.ids.value).toEqual(["a"]);
    plant.apply("alert", alert("1"));
    expect(plant.alerts.open.value.length).toBe(2);
    plant.apply("status", status);
    expect(plant.alerts.open.value.map(({ id }) => id)).toEqual(["1"]);
  });

  test("a resumed stream keeps everything", () => {
    const plant = opened([device("a")], [alert("1")]);
    plant.apply("hello", hello(false));
    plant.apply("status", status);
    expect(plant.fleet.size).toBe(1);
    expect(plant.alerts.open.value.length).toBe(1);
  });
});

test("limits of a device follow the rules", () => {
  const plant = opened();
  const rule = {
    name: "hot",
    devices: "*",
    when: "temp_c > 80",
    clear: null,
    on_delay: "0s",
    off_delay: "0s",
    severity: "major",
    message: "",
    enabled: true,
    source: "api",
  } as const;
  plant.apply("rules", { rules: [rule] });
  expect(plant.rules.limitsOf({ id: "a", tags: {}, limits: {} }).map(({ value }) => value)).toEqual([80]);
  plant.apply("rules", { rules: [{ ...rule, when: "temp_c > 90" }] });
  expect(plant.rules.limitsOf({ id: "a", tags: {}, limits: {} }).map(({ value }) => value)).toEqual([90]);
});
