const compiled = new Map<string, RegExp>();

/** Whether a device id matches a rule's `devices`: `*`, `?` and `[…]` as in file names. */
export function matches(glob: string, id: string): boolean {
  let pattern = compiled.get(glob);
  if (!pattern) {
    pattern = compile(glob);
    compiled.set(glob, pattern);
  }
  return pattern.test(id);
}

function compile(glob: string): RegExp {
  let source = "";
  for (let i = 0; i < glob.length; i++) {
    const char = glob.charAt(i);
    const close = char === "[" ? glob.indexOf("]", i + 2) : -1;
    if (char === "*") source += ".*";
    else if (char === "?") source += ".";
    else if (close > 0) {
      const set = glob.slice(i + 1, close).replace(/[\\\]^]/g, "\\$&");
      source += `[${set.startsWith("!") ? `^${set.slice(1)}` : set}]`;
      i = close;
    } else source += char.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  }
  return new RegExp(`^${source}$`, "su");
}
