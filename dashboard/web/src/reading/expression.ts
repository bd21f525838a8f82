/** A reader of rule conditions, for drawing their thresholds. The server alone decides whether a rule is right. */

export type Node =
  | { kind: "number"; value: number }
  | { kind: "text"; value: string }
  | { kind: "metric"; name: string }
  | { kind: "call"; name: string; arguments: Node[] }
  | { kind: "not"; operand: Node }
  | { kind: "arithmetic"; operator: string; left: Node; right: Node }
  | { kind: "comparison"; operands: Node[]; operators: string[] }
  | { kind: "logical"; operator: "and" | "or"; operands: Node[] };

const TOKEN =
  /\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|('(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)+`)|([\p{L}_][\p{L}\p{Nd}_.]*)|(<=|>=|==|!=|[<>+\-*/%(),]))/iuy;
const PLAIN_NAME = /^[\p{L}_][\p{L}\p{Nd}_]*(?:\.[\p{L}\p{Nd}_]+)*$/u;
const KEYWORDS = new Set(["and", "or", "not", "true", "false"]);
const COMPARISONS = new Set(["<", "<=", ">", ">=", "==", "!="]);

/** A metric's name as an expression writes it: in backticks where it has other characters or is a keyword. */
export function writeMetric(name: string): string {
  return PLAIN_NAME.test(name) && !KEYWORDS.has(name) ? name : `\`${name.replaceAll("`", "``")}\``;
}

/** The tree of an expression, or null for a text that is none. */
export function parseExpression(text: string): Node | null {
  const tokens = tokenize(text);
  if (!tokens) return null;
  let at = 0;
  const take = (...wanted: string[]) => (wanted.includes(tokens[at] ?? "") ? tokens[at++] : undefined);

  function either(operator: "and" | "or", next: () => Node): () => Node {
    return () => {
      const operands = [next()];
      while (take(operator)) operands.push(next());
      return operands.length === 1 ? (operands[0] as Node) : { kind: "logical", operator, operands };
    };
  }
  function chain(next: () => Node, ...operators: string[]): () => Node {
    return () => {
      let left = next();
      for (let operator = take(...operators); operator; operator = take(...operators)) {
        left = { kind: "arithmetic", operator, left, right: next() };
      }
      return left;
    };
  }
  const unary = (): Node => {
    if (take("-")) return { kind: "arithmetic", operator: "-", left: { kind: "number", value: 0 }, right: unary() };
    return atom();
  };
  const sum = chain(chain(unary, "*", "/", "%"), "+", "-");
  const comparison = (): Node => {
    const operands = [sum()];
    const operators: string[] = [];
    for (let operator = take(...COMPARISONS); operator; operator = take(...COMPARISONS)) {
      operators.push(operator);
      operands.push(sum());
    }
    return operators.length ? { kind: "comparison", operands, operators } : (operands[0] as Node);
  };
  const negation = (): Node => (take("not") ? { kind: "not", operand: negation() } : comparison());
  const whole = either("or", either("and", negation));
  const atom = (): Node => {
    const token = tokens[at++];
    if (token === undefined) throw new SyntaxError("the expression ends early");
    if (token === "(") {
      const inner = whole();
      if (!take(")")) throw new SyntaxError("a bracket is not closed");
      return inner;
    }
    if (/^[\d.]/.test(token)) return { kind: "number", value: Number(token) };
    const quote = token.charAt(0);
    const inner = token.slice(1, -1).replaceAll(quote + quote, quote);
    if (quote === "'" || quote === '"') return { kind: "text", value: inner };
    if (quote === "`") return { kind: "metric", name: inner };
    if (!/^[\p{L}_]/u.test(token)) throw new SyntaxError(`${token} stands where a value should`);
    if (!take("(")) return { kind: "metric", name: token };
    const given: Node[] = [];
    while (!take(")")) {
      given.push(whole());
      if (!take(",") && tokens[at] !== ")") throw new SyntaxError("a call is not closed");
    }
    return { kind: "call", name: token, arguments: given };
  };

  try {
    const tree = whole();
    return at === tokens.length ? tree : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function tokenize(text: string): string[] | null {
  const tokens: string[] = [];
  let at = 0;
  while (text.slice(at).trim()) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) return null;
    tokens.push(found[0].trim());
    at = TOKEN.lastIndex;
  }
  return tokens;
}
