import { expect, test } from "vitest";
import type { AlertLife, Preview, PreviewSubject } from "../wire/contract";
import { EMPTY } from "./draft";
import { question, stretches } from "./preview";

const at = (minute: number) => `2026-11-24T00:${String(minute).padStart(2, "0")}:00Z`;
const range: Preview = {
  from: at(0),
  to: at(50),
  readings: 1,
  devices: 1,
  rang: 1,
  subjects: [],
};

function subject(...states: [minute: number, state: AlertLife][]): PreviewSubject {
  const changes = states.map(([minute, state], n) => ({
    at: at(minute),
    id: "a",
    state,
    began_at: at(minute),
    value: 1,
    message: "",
    revision: n + 1,
  }));
  return { device: "d", rang: 1, flaps: 0, in_alarm_s: 0, in_alarm: false, changes_total: changes.length, changes };
}

test("a strip shows when an alert was pending and when it rang", () => {
  const found = stretches(
    subject([5, "pending"], [10, "active"], [20, "cleared_unacknowledged"], [25, "active"]),
    range,
  );
  expect(found).toEqual([
    { from: 0.1, to: 0.2, is: "pending" },
    { from: 0.2, to: 0.4, is: "ringing" },
    { from: 0.5, to: 1, is: "ringing" },
  ]);
});

test("what follows the last transition that is listed is not known", () => {
  const cut = { ...subject([10, "active"], [20, "cleared_unacknowledged"], [25, "active"]), changes_total: 9 };
  expect(stretches(cut, range)).toEqual([{ from: 0.2, to: 0.4, is: "ringing" }]);
});

test("an alert that rings again goes on ringing", () => {
  expect(stretches(subject([10, "active"], [20, "active"], [30, "cleared"]), range)).toEqual([
    { from: 0.2, to: 0.6, is: "ringing" },
  ]);
});

test("only what decides when a rule rings asks for another preview", () => {
  const rule = { ...EMPTY, when: "t > 1" };
  expect(question({ ...rule, message: "hot", severity: "critical" })).toBe(question(rule));
  expect(question({ ...rule, on_delay: "5s" })).not.toBe(question(rule));
});
