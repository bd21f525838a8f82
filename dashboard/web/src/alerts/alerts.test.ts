import { describe, expect, test } from "vitest";
import { sentence } from "../shell/sentence";
import type { Alert } from "../wire/contract";
import { filterAlerts, readFilter } from "./filter";
import { lifeOf, readOf, shapeOf, whatOf } from "./words";

function alert(id: string, rest: Partial<Alert> = {}): Alert {
  return {
    id,
    rule: "boiler-overheat",
    subject: "boiler-7",
    device: "boiler-7",
    severity: "critical",
    state: "active",
    active: true,
    acknowledged: false,
    latched: false,
    suppression: "none",
    value: 95.2,
    message: "boiler-7 at 95.2 °C",
    began_at: "2026-01-01T00:00:00Z",
    raised_at: "2026-01-01T00:00:05Z",
    cleared_at: null,
    acknowledged_by: null,
    acknowledged_at: null,
    comments: [],
    durable: true,
    revision: 1,
    ...rest,
  };
}

describe("what an alert says", () => {
  test("does not name its subject twice", () => expect(whatOf(alert("a"))).toBe("at 95.2 °C"));
  test("is its rule and value where it has no message", () =>
    expect(whatOf(alert("a", { message: "" }))).toBe("boiler-overheat, at 95.2"));
  test("is a switch in words, not 1", () => {
    expect(readOf(alert("a", { value: true }), "door_open == true")).toBe("open");
    expect(readOf(alert("a", { value: false }), "burner_on == false")).toBe("off");
    expect(readOf(alert("a", { value: 95.2 }), "temp_c > 80")).toBe("95.2");
  });
  test("keeps a message that begins otherwise", () =>
    expect(whatOf(alert("a", { message: "gas in hall 3" }))).toBe("gas in hall 3"));
  test("shelving is said before the state", () =>
    expect(lifeOf(alert("a", { suppression: "shelved" }))).toBe("shelved"));
});

test.each([
  ["rings", {}],
  ["rings", { state: "acknowledged", acknowledged: true }],
  ["waiting", { state: "cleared_unacknowledged", active: false }],
  ["over", { state: "cleared", active: false }],
  ["over", { suppression: "shelved" }],
] as const)("its shape %s", (shape, rest) => expect(shapeOf(alert("a", rest))).toBe(shape));

describe("filters", () => {
  const all = [
    alert("old", { raised_at: "2026-01-01T00:00:00Z" }),
    alert("new", { raised_at: "2026-01-01T01:00:00Z" }),
    alert("known", { state: "acknowledged", acknowledged: true }),
    alert("warning", { severity: "warning", subject: "pump-1" }),
    alert("shelved", { suppression: "shelved" }),
    alert("over", { state: "cleared", active: false, acknowledged: true }),
  ];
  const ids = (query: string) => filterAlerts(all, readFilter(new URLSearchParams(query))).map(({ id }) => id);

  test.each([
    ["", ["new", "old", "known", "warning"]],
    ["state=unacknowledged", ["new", "old", "warning"]],
    ["state=shelved", ["shelved"]],
    ["state=cleared", ["over"]],
    ["state=nonsense&severity=warning", ["warning"]],
    ["q=PUMP", ["warning"]],
  ])("%o", (query, expected) => expect(ids(query)).toEqual(expected));
});

test("a storm is heard as one sentence", () => {
  expect(sentence([alert("a")])).toBe("Critical alert. boiler-7: at 95.2 °C");
  expect(sentence([alert("a"), alert("b", { subject: "boiler-9", message: "" })])).toBe(
    "2 new critical alerts. The newest is boiler-9: boiler-overheat, at 95.2",
  );
});
