import { signal } from "@preact/signals-core";
import { formatBytes, formatCount } from "../reading/number";
import type { Status } from "../wire/contract";

/** A strip under the banner: what keeps the server from doing its work, in words an operator can act on. */
export interface Trouble {
  id: string;
  tone: "bad" | "warn";
  title: string;
  text: string;
  /** Called when the reader has seen it; not there for what goes away by itself. */
  hide?: () => void;
}

/** What the system says of a disk, by error number, and what to do about it. */
const DISK: Record<number, [fault: string, remedy: string]> = {
  5: ["the server's disk has a fault", "Have the disk looked at"],
  13: ["the server may not write to its data folder", "Give it the permission back"],
  28: ["the server's disk is full", "Free space on it"],
  30: ["the server's disk is read-only", "Make it writable"],
  122: ["the server has used up its share of the disk", "Free space or raise its quota"],
};

/** An error of the system in words: `[Errno 28] …` says little at three in the morning. */
export function inWords(error: string | null): { fault: string; remedy: string } {
  const number = /\[?Errno (\d+)\]?:?\s*/.exec(error ?? "");
  const known = number && DISK[Number(number[1])];
  if (known) return { fault: known[0], remedy: known[1] };
  const said = (error ?? "").replace(number?.[0] ?? "", "").trim();
  return { fault: said || "the disk does not answer", remedy: "Look at the server's disk" };
}

/** By kind of background work: what does not happen meanwhile, and what is not in danger. */
const WORK: Record<string, [title: string, text: string]> = {
  checkpoint: [
    "History is not being written",
    "Alarms ring and readings are kept in the journal, so nothing is lost yet, but the journal grows.",
  ],
  "alert transitions": [
    "The record of alarms is not being written",
    "Alarms ring; what happened to them is kept in the journal.",
  ],
  deliveries: [
    "Receipts are not being written",
    "Alarms are told all the same; after a restart some may be told twice.",
  ],
  "history maintenance": ["Old history is not being tidied up", "It takes more and more of the disk."],
};

/** By kind of work that no disk keeps from being done: what it means, and what to do. */
const OTHER: Record<string, [title: string, text: string]> = {
  "rule files": [
    "The rule files are not in force",
    "The rules before them go on to be. Mend the file; it is read again by itself.",
  ],
  "heartbeat broker": [
    "The heartbeat does not reach its broker",
    "Whoever watches Tocsin there may believe that it is gone.",
  ],
  heartbeat: ["The heartbeat does not reach its watchdog", "Whoever watches Tocsin may believe that it is gone."],
};

/** Batches that could not be judged which the reader has seen. */
const seenFailures = signal(0);

/** The strips for `status`, the worst first; one cause makes one strip. */
export function troublesOf(status: Status): Trouble[] {
  const { journal, stopping, troubles, failures_total, dropped_readings_total } = status;
  if (stopping)
    return [
      {
        id: "stopping",
        tone: "warn",
        title: "The server is stopping.",
        text: "This page reconnects when it is back.",
      },
    ];
  const found: Trouble[] = [];
  if (journal.state === "failing") {
    const { fault, remedy } = inWords(journal.error);
    found.push({
      id: "journal",
      tone: "bad",
      title: `Readings cannot be saved: ${fault}.`,
      text: `Alarms still ring. Devices that publish at QoS 1 or 2 keep their readings and send them again; those at QoS 0 are shown and then lost. ${remedy}; saving resumes by itself.`,
    });
  }
  if (journal.state === "behind")
    found.push({
      id: "journal",
      tone: "warn",
      title: "The disk cannot keep up:",
      text: `${formatBytes(journal.pending_bytes)} wait to be saved. Devices are slowed down; nothing is lost.`,
    });
  if (failures_total > seenFailures.value)
    found.push({
      id: "judging",
      tone: "bad",
      title: `A fault in Tocsin: ${failures_total === 1 ? "1 batch of readings" : `${formatCount(failures_total)} batches of readings`} could not be judged.`,
      text: "Alarms on them may be missing. The server's log says more; please report it.",
      hide: () => {
        seenFailures.value = failures_total;
      },
    });
  // A disk that takes no journal takes nothing else: that is the same trouble.
  if (journal.state !== "failing")
    for (const { work, error } of troubles) {
      const other = OTHER[work];
      if (other) {
        found.push({ id: work, tone: "warn", title: `${other[0]}: ${error}.`, text: other[1] });
        continue;
      }
      const [title, text] = WORK[work] ?? [`${work} fails`, "It is tried again."];
      const { fault, remedy } = inWords(error);
      const lost =
        work === "checkpoint" && dropped_readings_total
          ? ` ${formatCount(dropped_readings_total)} readings will be missing from history.`
          : "";
      found.push({
        id: "background",
        tone: "warn",
        title: `${title}: ${fault}.`,
        text: `${text}${lost} ${remedy}; it is tried again by itself.`,
      });
    }
  return found;
}
