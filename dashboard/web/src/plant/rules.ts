import { computed, signal } from "@preact/signals-core";
import { byName } from "../reading/groups";
import { type Limit, limitsFor } from "../reading/limits";
import type { Limits, Rule, Tags } from "../wire/contract";

/** The rule set. State: the rules as the server last told them, and the limits they set for each device asked about. */
export class RuleBook {
  readonly #rules = signal<readonly Rule[]>([]);
  readonly #limits = computed(() => {
    this.#rules.value;
    return new Map<string, Limit[]>();
  });

  readonly all = computed(() => [...this.#rules.value].sort((a, b) => byName(a.name, b.name)));

  take(rules: readonly Rule[]): void {
    this.#rules.value = rules;
  }

  get(name: string): Rule | undefined {
    return this.#rules.value.find((rule) => rule.name === name);
  }

  limitsOf({ id, tags, limits: stated }: { id: string; tags: Tags; limits: Limits }): readonly Limit[] {
    const known = this.#limits.value;
    const key = JSON.stringify([id, tags, stated]);
    let limits = known.get(key);
    if (!limits) {
      limits = limitsFor(id, this.#rules.value, tags, stated);
      known.set(key, limits);
    }
    return limits;
  }
}
