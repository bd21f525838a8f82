import { expect, test } from "vitest";
import { matches } from "./glob";

test.each([
  ["*", "anything", true],
  ["boiler-*", "boiler-7", true],
  ["boiler-*", "my-boiler-7", false],
  ["boiler-?", "boiler-7", true],
  ["boiler-?", "boiler-12", false],
  ["pump-[12]", "pump-2", true],
  ["pump-[!12]", "pump-2", false],
  ["pump-[!12]", "pump-3", true],
  ["a.b", "axb", false],
  ["a[b", "a[b", true],
  ["c(d)+", "c(d)+", true],
])("%s matches %s: %s", (glob, id, answer) => expect(matches(glob, id)).toBe(answer));
