import { expect, test } from "vitest";
import type { Status } from "../wire/contract";
import { inWords, troublesOf } from "./troubles";

const CALM: Status = {
  now: 0,
  messages_per_s: 0,
  readings_per_s: 0,
  messages_total: 0,
  readings_total: 0,
  devices: 0,
  series: 0,
  rejected_total: 0,
  late_total: 0,
  duplicates_total: 0,
  viewers: 1,
  connections: 0,
  latency: { count: 0, under_250ms: 0, p50_ms: null, p99_ms: null, max_ms: null },
  journal: { state: "ok", error: null, pending_bytes: 0, last_commit_ms: 1 },
  troubles: [],
  failures_total: 0,
  dropped_readings_total: 0,
  stopping: false,
  changes: { deliveries: 1, maintenance: 1, functions: 1, zones: 1 },
};
const FULL = "[Errno 28] No space left on device";

test("a full disk is said in words, once, and without a promise that QoS 0 cannot hold", () => {
  const journal = { ...CALM.journal, state: "failing" as const, error: FULL };
  const found = troublesOf({ ...CALM, journal, troubles: [{ work: "checkpoint", error: FULL }] });
  expect(found.map(({ id }) => id)).toEqual(["journal"]);
  expect(found[0]?.title).toBe("Readings cannot be saved: the server's disk is full.");
  expect(found[0]?.text).toContain("QoS 0 are shown and then lost");
  expect(JSON.stringify(found)).not.toContain("Errno");
});

test("stopping is one strip, whatever else is wrong", () => {
  const journal = { ...CALM.journal, state: "failing" as const, error: FULL };
  expect(troublesOf({ ...CALM, journal, stopping: true }).map(({ id }) => id)).toEqual(["stopping"]);
});

test("background work that fails is told with what it means", () => {
  const troubles = [{ work: "checkpoint", error: FULL }];
  const [trouble] = troublesOf({ ...CALM, troubles, dropped_readings_total: 1200 });
  expect(trouble?.title).toBe("History is not being written: the server's disk is full.");
  expect(trouble?.text).toContain("1,200 readings will be missing");
});

test("a fault in judging stays until it was seen, and comes back with the next one", () => {
  const [trouble] = troublesOf({ ...CALM, failures_total: 2 });
  expect(trouble?.title).toContain("2 batches");
  trouble?.hide?.();
  expect(troublesOf({ ...CALM, failures_total: 2 })).toEqual([]);
  expect(troublesOf({ ...CALM, failures_total: 3 })).toHaveLength(1);
});

test.each([
  ["[Errno 30] Read-only file system", "the server's disk is read-only"],
  ["[Errno 99] Strange thing: 'x'", "Strange thing: 'x'"],
  ["IO Error: cannot open", "IO Error: cannot open"],
  [null, "the disk does not answer"],
])("%s in words", (error, fault) => {
  expect(inWords(error).fault).toBe(fault);
});
