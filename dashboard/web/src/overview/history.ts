import { serverNow } from "../plant/clock";
import type { Device, Series } from "../plant/device";
import { plant } from "../plant/plant";
import { SLOT_MS, SLOTS } from "../reading/trail";
import { api } from "../wire/api";
import { millis } from "../wire/contract";

/** Series answered at a time: the browser has six connections to the server and the stream holds one. */
const AT_ONCE = 2;

/** After a failure a series is not asked for again before this. */
const RETRY_MS = 60_000;

/** For which stream a series was asked for, and from when on again. A new stream has missed what came meanwhile. */
const asked = new WeakMap<Series, { stream: string; again: number }>();
const waiting: { device: Device; series: Series; isWanted: () => boolean }[] = [];
let running = 0;

/** Fills a sparkline with what came before this page was opened: once a series, and only while it is on the screen. */
export function fillTrail(device: Device, series: Series, isWanted: () => boolean): void {
  const stream = plant.hello.peek()?.stream ?? "";
  const before = asked.get(series);
  if (before?.stream === stream && Date.now() < before.again) return;
  asked.set(series, { stream, again: Number.POSITIVE_INFINITY });
  waiting.push({ device, series, isWanted });
  void work();
}

async function work(): Promise<void> {
  while (running < AT_ONCE) {
    const next = waiting.shift();
    if (!next) return;
    if (!next.isWanted()) {
      asked.delete(next.series);
      continue;
    }
    running++;
    await fill(next.device, next.series);
    running--;
  }
}

async function fill(device: Device, series: Series): Promise<void> {
  const to = serverNow();
  try {
    const answer = await api.series(device.id, series.metric, to - SLOTS * SLOT_MS, to, SLOTS);
    answer.time.forEach((time, i) => {
      const [at, avg, min, max] = [millis(time), answer.avg[i], answer.min[i], answer.max[i]];
      if (at !== null && avg != null) series.backfill(at, avg, min ?? avg, max ?? avg);
    });
    device.revision.value++;
  } catch {
    asked.set(series, { stream: plant.hello.peek()?.stream ?? "", again: Date.now() + RETRY_MS }); // the live readings draw the line by themselves meanwhile
  }
}
