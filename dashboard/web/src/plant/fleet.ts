import { batch, signal } from "@preact/signals-core";
import { type DeviceState, type Frame, millis, type Presence, type Reading } from "../wire/contract";
import { Device } from "./device";

/**
 * All devices. State: devices by id; `ids` changes with membership only, `presence` rises when any device's connection
 * or freshness changes. Values are on the devices: 2,000 tiles at 1 Hz must not wake anything that shows none of them.
 */
export class Fleet {
  readonly ids = signal<readonly string[]>([]);
  readonly presence = signal(0);
  /** False until the server's first listing is complete: an empty plant is not shown before it is known to be one. */
  readonly known = signal(false);

  readonly #devices = new Map<string, Device>();
  readonly #watchers = new Set<(reading: Reading, frame: Frame) => void>();
  /** Ids seen since a reset, while the listing that replaces everything is under way. */
  #listing: Set<string> | null = null;

  get(id: string): Device | undefined {
    return this.#devices.get(id);
  }

  all(): IterableIterator<Device> {
    return this.#devices.values();
  }

  get size(): number {
    return this.#devices.size;
  }

  /** The server starts over: what its listing does not name is gone, but stays on the screen until the listing ends. */
  reset(): void {
    this.#listing = new Set();
    for (const device of this.#devices.values()) device.forgetRevision();
  }

  describe(devices: readonly DeviceState[], complete: boolean): void {
    batch(() => {
      for (const state of devices) {
        const device = this.#ensure(state.id);
        device.describe(state);
        device.revision.value++;
        this.#listing?.add(state.id);
      }
      if (complete) {
        for (const id of this.#devices.keys()) {
          if (this.#listing && !this.#listing.has(id)) this.#devices.delete(id);
        }
        this.#listing = null;
        this.known.value = true;
      }
      this.#publish();
      this.presence.value++;
    });
  }

  take(frame: Frame): void {
    const at = millis(frame.at) ?? 0;
    batch(() => {
      const touched = new Set<Device>();
      for (const reading of frame.readings) {
        const device = this.#ensure(reading[0]);
        device.take(reading, at);
        touched.add(device);
        for (const watcher of this.#watchers) watcher(reading, frame);
      }
      for (const device of touched) device.revision.value++;
      this.#publish();
    });
  }

  meet(presence: Presence): void {
    batch(() => {
      const device = this.#ensure(presence.device);
      device.meet(presence);
      device.revision.value++;
      this.presence.value++;
      this.#publish();
    });
  }

  /** Calls `watcher` with each reading and its frame as they come; returns how to stop. */
  watch(watcher: (reading: Reading, frame: Frame) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  #ensure(id: string): Device {
    let device = this.#devices.get(id);
    if (!device) {
      device = new Device(id);
      this.#devices.set(id, device);
      this.#listing?.add(id);
    }
    return device;
  }

  #publish(): void {
    const before = this.ids.peek();
    if (before.length !== this.#devices.size || before.some((id) => !this.#devices.has(id))) {
      this.ids.value = [...this.#devices.keys()];
    }
  }
}
