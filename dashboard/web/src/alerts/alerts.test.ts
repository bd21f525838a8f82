import { describe, expect, test } from "vitest";
import { sentence } from "../shell/sentence";
import type { Alert } from "../wire/contract";
import { filterAlerts, readFilter } from "./filter";
import { concerned, linesOf, STORM_FROM, standingOf } from "./storms";
import { lifeOf, readOf, shapeOf, whatBesideRule, whatOf } from "./words";

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
  test("does not name its rule twice where that stands beside it", () => {
    const named = alert("a", { message: "boiler-overheat: temp_c 95" });
    expect(whatOf(named)).toBe("boiler-overheat: temp_c 95");
    expect(whatBesideRule(named)).toBe("temp_c 95");
    expect(whatBesideRule(alert("a", { message: "" }))).toBe("at 95.2");
    expect(whatBesideRule(alert("a"))).toBe("at 95.2 °C");
  });
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

describe("a storm", () => {
  const storm = Array.from({ length: STORM_FROM }, (_, i) => alert(`s${i}`));
  const other = alert("gas", { rule: "gas" });
  const shown = (alerts: Alert[], open: string | null) =>
    linesOf(alerts, open).map((line) => line.alert?.id ?? `${line.storm?.alerts.length} ${line.storm?.rule}`);

  test("is one line where its most urgent alert stood", () => {
    expect(shown([storm[0] as Alert, other, ...storm.slice(1)], null)).toEqual(["5 boiler-overheat", "gas"]);
    expect(shown([other, ...storm], null)).toEqual(["gas", "5 boiler-overheat"]);
  });
  test("opens to its alerts", () =>
    expect(shown([...storm, other], "boiler-overheat")).toEqual([
      "5 boiler-overheat",
      ...storm.map((a) => a.id),
      "gas",
    ]));
  test("is not a few", () => expect(shown(storm.slice(1), null)).toEqual(["s1", "s2", "s3", "s4"]));
  test("is acknowledged and shelved where that is still to be done", () => {
    const known = alert("k", { state: "acknowledged", acknowledged: true });
    const shelved = alert("m", { suppression: "shelved" });
    expect(concerned("ack", [...storm, known, shelved])).toEqual(storm);
    expect(concerned("shelve", [...storm, known, shelved])).toEqual([...storm, known]);
    expect(standingOf([known, ...storm], lifeOf)).toEqual([
      ["active", 5],
      ["acknowledged", 1],
    ]);
  });
});

test("a storm is heard as one sentence", () => {
  expect(sentence([alert("a")])).toBe("Critical alert. boiler-7: at 95.2 °C");
  expect(sentence([alert("a"), alert("b", { subject: "boiler-9", message: "" })])).toBe(
    "2 new critical alerts. The newest is boiler-9: boiler-overheat, at 95.2",
  );
});
