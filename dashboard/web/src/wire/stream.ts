import { signal } from "@preact/signals-core";
import { EVENT_NAMES, type Events } from "./contract";

/** `refused`: the server answered, but not with a stream (a login is needed, or it is shutting down). */
export type Link = "connecting" | "live" | "reconnecting" | "refused";

/** `status` comes each second: after this long without a word the connection is only half there. */
const SILENCE_MS = 8_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000];

/**
 * The page's one EventSource. State: where the link stands, the last event id, and when anything last came.
 *
 * The browser reconnects by itself with Last-Event-ID after a broken connection. We open anew, with
 * `?last_event_id=`, where it does not: after an answer that is no stream, and after silence.
 */
export class Stream {
  readonly link = signal<Link>("connecting");
  /** When the last event came, by this browser's clock. */
  readonly heardAt = signal(Date.now());

  #source: EventSource | null = null;
  #lastEventId = "";
  #retries = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly url: string,
    private readonly apply: <Name extends keyof Events>(name: Name, data: Events[Name]) => void,
    private readonly onRefused: () => void,
  ) {}

  open(): void {
    this.close();
    const resume = this.#lastEventId ? `?last_event_id=${encodeURIComponent(this.#lastEventId)}` : "";
    const source = new EventSource(this.url + resume);
    this.#source = source;
    this.heardAt.value = Date.now();
    for (const name of EVENT_NAMES) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (event.lastEventId) this.#lastEventId = event.lastEventId;
        this.heardAt.value = Date.now();
        this.#retries = 0;
        this.link.value = "live";
        this.apply(name, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      if (source !== this.#source) return;
      if (source.readyState === EventSource.CONNECTING) this.link.value = "reconnecting";
      else this.#openLater();
    };
    this.#watch = setInterval(() => {
      if (source.readyState === EventSource.OPEN && Date.now() - this.heardAt.value > SILENCE_MS) {
        this.link.value = "reconnecting";
        this.open();
      }
    }, 1_000);
  }

  close(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    this.#source?.close();
    this.#source = null;
  }

  #openLater(): void {
    this.close();
    this.link.value = "refused";
    this.onRefused();
    const wait = RETRY_MS[Math.min(this.#retries++, RETRY_MS.length - 1)];
    this.#retry = setTimeout(() => this.open(), wait);
  }
}
