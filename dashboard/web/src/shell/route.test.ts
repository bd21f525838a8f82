import { expect, test } from "vitest";
import { parseRoute, paths } from "./route";
import { viewOf } from "./view";

test.each([
  ["/", { view: "overview" }],
  ["/devices/boiler-7", { view: "device", device: "boiler-7" }],
  [paths.device("a b/ü%"), { view: "device", device: "a b/ü%" }],
  ["/alerts", { view: "alerts", alert: null }],
  ["/alerts/0f3a", { view: "alerts", alert: "0f3a" }],
  [paths.rule("boiler overheat"), { view: "rules", rule: "boiler overheat" }],
  [paths.zone("yard 2"), { view: "zones", zone: "yard 2" }],
  ["/functions", { view: "functions" }],
  ["/topics", { view: "topics" }],
  ["/connect", { view: "connect" }],
  ["/docs", { view: "missing", path: "/docs" }],
  ["/devices/%E0%A4%A", { view: "device", device: "%E0%A4%A" }],
])("%s", (path, route) => expect(parseRoute(path)).toEqual(route));

test("of a large fleet a tab asks for what it shows", () => {
  expect(viewOf({ view: "device", device: "d" }, 30, true)).toBe("*");
  expect(viewOf({ view: "overview" }, 2_000, false)).toBe("*");
  expect(viewOf({ view: "device", device: "d" }, 2_000, false)).toEqual(["d"]);
  expect(viewOf({ view: "rules", rule: null }, 2_000, false)).toEqual([]);
  expect(viewOf({ view: "overview" }, 2_000, true)).toEqual([]);
});
