import { type Limits, type Rule, SEVERITIES, type Severity, type Tags } from "../wire/contract";
import { type Node, parseExpression } from "./expression";
import { selects } from "./tags";

/** A value at which a rule's condition turns true, on the scale of a metric. */
export interface Limit {
  metric: string;
  /** The window function in between (`avg 5m`), or null where the metric itself is compared. */
  over: string | null;
  operator: ">" | ">=" | "<" | "<=" | "==" | "!=";
  value: number;
  rule: string;
  severity: Severity;
}

/** Functions whose result is on the scale of their metric, so that a threshold on it may be drawn there. */
const ON_SCALE = new Set(["avg", "min", "max", "last", "median", "p50", "p90", "p95", "p99", "ewma", "abs", "round"]);
const FLIPPED = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!=" } as const;
const NEGATED = { "<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "==" } as const;

/** What of a device does not change with its readings: limits of its profile, and its tags. */
interface Own {
  tags: Tags;
  limits: Limits;
}
const NOTHING: Own = { tags: {}, limits: {} };

/** The thresholds in a condition: comparisons of a metric, or of a window over one, with what is constant on a device. */
export function limitsIn(when: string, own = NOTHING): Omit<Limit, "rule" | "severity">[] {
  const tree = parseExpression(when);
  const found: Omit<Limit, "rule" | "severity">[] = [];
  if (tree) visit(tree, false);
  return found;

  function visit(node: Node, negated: boolean): void {
    if (node.kind === "logical") for (const operand of node.operands) visit(operand, negated);
    else if (node.kind === "not") visit(node.operand, !negated);
    else if (node.kind === "comparison") {
      node.operators.forEach((operator, i) => {
        const [left, right] = [node.operands[i], node.operands[i + 1]];
        if (left && right) compare(left, operator as Limit["operator"], right, negated);
      });
    }
  }

  function compare(left: Node, operator: Limit["operator"], right: Node, negated: boolean): void {
    const [a, b] = [constant(left, own), constant(right, own)];
    const [side, value, straight] = b === null ? [right, a, FLIPPED[operator]] : [left, b, operator];
    const measured = measure(side);
    if (value === null || !measured || (a !== null && b !== null)) return;
    found.push({ ...measured, operator: negated ? NEGATED[straight] : straight, value });
  }
}

function measure(node: Node): Pick<Limit, "metric" | "over"> | null {
  if (node.kind === "metric") return { metric: node.name, over: null };
  if (node.kind !== "call" || !ON_SCALE.has(node.name)) return null;
  const [metric, window] = node.arguments;
  if (metric?.kind !== "metric") return null;
  return { metric: metric.name, over: window?.kind === "text" ? `${node.name} ${window.value}` : node.name };
}

function constant(node: Node, own: Own): number | null {
  if (node.kind === "number") return node.value;
  if (node.kind === "call") return stated(node, own);
  if (node.kind !== "arithmetic") return null;
  const [left, right] = [constant(node.left, own), constant(node.right, own)];
  if (left === null || right === null) return null;
  if (node.operator === "+") return left + right;
  if (node.operator === "-") return left - right;
  if (node.operator === "*") return left * right;
  return node.operator === "/" && right !== 0 ? left / right : null;
}

/** `limit('temp_max_c')` or `tag_number('limit_c')`, where the device has it. */
function stated({ name, arguments: [of] }: Node & { kind: "call" }, { tags, limits }: Own): number | null {
  if (of?.kind !== "text") return null;
  if (name === "limit") return limits[of.value] ?? null;
  const said = name === "tag_number" ? tags[of.value] : undefined;
  return said?.trim() && Number.isFinite(Number(said)) ? Number(said) : null;
}

/** The metrics a condition reads. */
export function metricsIn(when: string): Set<string> {
  const names = new Set<string>();
  const visit = (node: Node): void => {
    if (node.kind === "metric") names.add(node.name);
    else if (node.kind === "call") node.arguments.forEach(visit);
    else if (node.kind === "not") visit(node.operand);
    else if (node.kind === "arithmetic") [node.left, node.right].forEach(visit);
    else if (node.kind === "comparison" || node.kind === "logical") node.operands.forEach(visit);
  };
  const tree = parseExpression(when);
  if (tree) visit(tree);
  names.delete("true");
  names.delete("false");
  return names;
}

/** The thresholds that enabled rules set for a device, the worst severity first. */
export function limitsFor(device: string, rules: Iterable<Rule>, tags: Tags = {}, stated: Limits = {}): Limit[] {
  const limits: Limit[] = [];
  for (const rule of rules) {
    if (!rule.enabled || !selects(rule, device, tags)) continue;
    for (const limit of limitsIn(rule.when, { tags, limits: stated }))
      limits.push({ ...limit, rule: rule.name, severity: rule.severity });
  }
  const rank = (limit: Limit) => SEVERITIES.indexOf(limit.severity);
  return limits.sort((a, b) => rank(a) - rank(b));
}

export interface Scale {
  low: number;
  high: number;
}

/**
 * The stretch a limits bar shows. It depends on the limits alone, so that the bar holds still while the value moves:
 * between the lowest and the highest limit with a quarter of room outside, or, with limits on one side only, as far as
 * zero on the other.
 */
export function scaleFor(limits: readonly Limit[]): Scale | null {
  const above = limits.filter((limit) => limit.operator.startsWith(">")).map((limit) => limit.value);
  const below = limits.filter((limit) => limit.operator.startsWith("<")).map((limit) => limit.value);
  if (above.length + below.length === 0) return null;
  const top = Math.max(...above, ...below);
  const bottom = Math.min(...above, ...below);
  if (above.length > 0 && below.length > 0) {
    const room = (top - bottom || Math.abs(top) || 1) * 0.25;
    return { low: bottom - room, high: top + room };
  }
  const size = Math.abs(above.length > 0 ? top : bottom) || 10;
  if (above.length > 0) return { low: Math.min(top - size, bottom - size * 0.25), high: top + size * 0.25 };
  return { low: bottom - size * 0.25, high: Math.max(bottom + size, top + size * 0.25) };
}

/** Where a value stands on a scale, 0 to 1. */
export function placeOn(scale: Scale, value: number): number {
  return Math.min(1, Math.max(0, (value - scale.low) / (scale.high - scale.low)));
}
