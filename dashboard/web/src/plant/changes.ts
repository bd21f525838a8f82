import { computed, effect, untracked } from "@preact/signals-core";
import type { Changes } from "../wire/contract";
import { plant } from "./plant";

/** Tells of receipts when they are not as before. */
export const deliveriesChanged = computed(() => plant.status.value?.changes.deliveries);

/**
 * Calls `read` once the server has said where it stands, and whenever it says that it would answer otherwise now.
 * Until what is returned is called.
 */
export function follow(what: keyof Changes, read: () => void): () => void {
  const count = computed(() => plant.status.value?.changes[what]);
  return effect(() => {
    if (count.value !== undefined) untracked(read);
  });
}
