import { expect, test } from "vitest";
import { groupDevices, groupLabel } from "./groups";

test("devices are grouped by what stands before the last dash, in the natural order of their numbers", () => {
  const groups = groupDevices(["pump-10", "pump-2", "cold-room-1", "cold-room-2", "gateway", "my-first"]);
  expect(groups.map(({ label, ids }) => [label, ids])).toEqual([
    ["Cold room", ["cold-room-1", "cold-room-2"]],
    ["Pump", ["pump-2", "pump-10"]],
    ["Other devices", ["gateway", "my-first"]],
  ]);
});

test("a lone device is no other device", () => expect(groupDevices(["my-first"])[0]?.label).toBe("Devices"));

test("no device, no group", () => expect(groupDevices([])).toEqual([]));

test.each([
  ["gas", "Gas"],
  ["cold-room", "Cold room"],
  ["nord/halle_3", "Nord halle 3"],
])("%s is labelled %s", (prefix, label) => expect(groupLabel(prefix)).toBe(label));
