import { expect, test } from "vitest";
import { Series } from "../plant/device";
import type { Value } from "../wire/contract";
import { chartsOf } from "./charts";

function series(metric: string, value: Value): Series {
  const made = new Series("d", metric);
  made.take(1e12, value, null, null);
  return made;
}

test("metrics of one unit share a chart, four at most; what rules watch comes first, switches last", () => {
  const all = [
    series("door_open", true),
    series("state", "running"),
    series("pressure_bar", 4),
    ...[1, 2, 3, 4, 5].map((i) => series(`t${i}_c`, 20)),
    series("score", 7),
  ];
  expect(chartsOf(all, ["t2_c"]).map(({ metrics }) => metrics)).toEqual([
    ["t1_c", "t2_c", "t3_c", "t4_c"],
    ["pressure_bar"],
    ["t5_c"],
    ["door_open"],
    ["score"],
  ]);
});
