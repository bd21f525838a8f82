import { effect } from "@preact/signals-core";
import { LitElement } from "lit";

/**
 * An element that renders again when a signal it read has changed, at most once per animation frame.
 *
 * It renders into the document itself, not into a shadow tree: one style sheet file serves all, labels and live regions
 * reach across elements, and the Content-Security-Policy needs no exception.
 */
export class Live extends LitElement {
  #stop: (() => void) | undefined;

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.requestUpdate();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop?.();
    this.#stop = undefined;
  }

  protected override async scheduleUpdate(): Promise<void> {
    if (this.hasUpdated) await new Promise(requestAnimationFrame);
    super.scheduleUpdate();
  }

  protected override performUpdate(): void {
    if (!this.isUpdatePending) return;
    this.#stop?.();
    let rendered = false;
    this.#stop = effect(() => {
      if (rendered) this.requestUpdate();
      else {
        rendered = true;
        super.performUpdate();
      }
    });
    if (!this.isConnected) this.#stop();
  }
}
