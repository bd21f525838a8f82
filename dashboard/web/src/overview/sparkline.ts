import { SLOTS, type Trail } from "../reading/trail";
import { colour } from "../shell/theme";

const YOUNG = 12;

export interface Size {
  width: number;
  height: number;
}

type Draw = (size: Size) => void;

const sizes = new WeakMap<Element, Size>();
const draws = new WeakMap<Element, Draw>();

/** Sizes come from the layout when it is done: asking each canvas while tiles change would lay the page out each time. */
const measure = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const size = { width: contentRect.width, height: contentRect.height };
    sizes.set(target, size);
    draws.get(target)?.(size);
  }
});

/** Draws now, or as soon as the canvas has a size, and again whenever that changes. */
export function whenSized(canvas: HTMLCanvasElement, draw: Draw): void {
  if (!draws.has(canvas)) measure.observe(canvas);
  draws.set(canvas, draw);
  const size = sizes.get(canvas);
  if (size) draw(size);
}

/** Draws the last five minutes: a band from min to max and the last value of each slot; gaps stay gaps. */
export function drawSparkline(
  canvas: HTMLCanvasElement,
  { width, height }: Size,
  trail: Trail,
  slot: number,
  token: string,
): void {
  const ratio = devicePixelRatio;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const paint = canvas.getContext("2d");
  const range = trail.range();
  if (!paint) return;
  paint.setTransform(ratio, 0, 0, ratio, 0, 0);
  paint.clearRect(0, 0, width, height);
  if (!range) return;

  // A value that hardly moves is a flat line in the middle, not noise blown up to full height.
  const middle = (range[0] + range[1]) / 2;
  const span = Math.max(range[1] - range[0], Math.abs(middle) * 0.02, 1e-9);
  const y = (value: number) => 2 + (height - 4) * (0.5 - (value - middle) / span);
  // A series that has just begun takes the whole width, as soon as there is a minute of it.
  const slots = Math.min(SLOTS, Math.max(YOUNG, slot - trail.oldest + 1));
  const x = (at: number) => ((at - slot + slots - 0.5) / slots) * width;

  paint.strokeStyle = colour(token);
  paint.fillStyle = colour(token);
  paint.lineWidth = 1.4;
  paint.lineJoin = "round";
  paint.globalAlpha = 0.22;
  const step = width / slots;
  for (const place of trail.places(slot)) {
    const top = y(trail.max[place] ?? 0);
    const bottom = y(trail.min[place] ?? 0);
    if (bottom - top > 1) paint.fillRect(x(trail.slot[place] ?? 0) - step / 2, top, step, bottom - top);
  }
  paint.globalAlpha = 1;
  paint.beginPath();
  let before = Number.NEGATIVE_INFINITY;
  let lastX = 0;
  let lastY = 0;
  for (const place of trail.places(slot)) {
    const at = trail.slot[place] ?? 0;
    lastX = x(at);
    lastY = y(trail.last[place] ?? 0);
    if (at - before > 3) paint.moveTo(lastX, lastY);
    else paint.lineTo(lastX, lastY);
    before = at;
  }
  paint.stroke();
  if (before < 0) return; // all it has is older than what is shown
  paint.beginPath();
  paint.arc(Math.min(lastX, width - 2), lastY, 1.8, 0, 7);
  paint.fill();
}
