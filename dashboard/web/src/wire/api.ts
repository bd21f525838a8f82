import type {
  Alert,
  Channel,
  Delivery,
  Explanation,
  FunctionReport,
  Maintenance,
  Me,
  Preview,
  Rule,
  RuleText,
  RuleVersion,
  SeriesAnswer,
  Transition,
  UnclaimedTopic,
  Zone,
} from "./contract";

/** What is wrong with one field of what was sent, and the keys that lead to it; `column` is 1-based in its text. */
export interface FieldError {
  field: string;
  path: (string | number)[];
  message: string;
  column: number | null;
}

/** The server's refusal of a request, in its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fields: FieldError[] = [],
  ) {
    super(message);
  }
}

/** A problem as the server tells it. */
interface Problem {
  loc?: unknown[];
  msg?: string;
  column?: number | null;
}

function fieldError({ loc, msg, column }: Problem): FieldError {
  const [, ...path] = loc ?? []; // the first says which part of the request
  return {
    field: String(loc?.at(-1) ?? ""),
    path: path as (string | number)[],
    message: msg ?? "not accepted",
    column: column ?? null,
  };
}

/** Reads `{"detail": "…"}` and 422's `{"detail": [{loc, msg, column}]}`. */
export function refusal(status: number, body: unknown): ApiError {
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === "string") return new ApiError(status, detail);
  if (Array.isArray(detail)) {
    const fields = detail.map(fieldError);
    return new ApiError(
      status,
      fields.map((f) => (f.field ? `${f.field}: ${f.message}` : f.message)).join("\n"),
      fields,
    );
  }
  return new ApiError(status, `The server answered ${status}.`);
}

async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
  version?: number,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: {
        ...(method === "GET" ? { Accept: "application/json" } : { "Content-Type": "application/json" }),
        ...(version ? { "If-Match": `"${version}"` } : {}),
      },
      body: method === "GET" ? null : JSON.stringify(body ?? {}),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The server cannot be reached. Nothing was changed; try again when the page says live.");
  }
  const text = await response.text();
  let answer: unknown = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    // An answer that is not JSON comes from something between us and the server: its status says enough.
  }
  if (!response.ok) throw refusal(response.status, answer);
  return answer as T;
}

/** A request whose answer comes in lines of JSON: `read` gets each as it comes. */
async function requestLines(
  path: string,
  body: unknown,
  signal: AbortSignal,
  read: (line: unknown) => void,
): Promise<void> {
  const response = await fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok || !response.body) throw refusal(response.status, await response.json().catch(() => null));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (waiting + value).split("\n");
    waiting = parts.pop() ?? "";
    for (const line of parts) if (line) read(JSON.parse(line));
  }
}

async function preview(rule: RuleText, signal: AbortSignal, onShare: (share: number) => void): Promise<Preview> {
  let found: Preview | undefined;
  let problem = "The server ended the preview before it was done.";
  await requestLines("/api/rules/preview", { rule }, signal, (line) => {
    const { progress, report, error } = line as {
      progress?: { readings: number; of: number };
      report?: Preview;
      error?: string;
    };
    if (progress) onShare(progress.of ? progress.readings / progress.of : 0);
    found = report ?? found;
    problem = error ?? problem;
  });
  if (!found) throw new ApiError(200, problem);
  return found;
}

/** What judging a rule would take, and what in it looks like a slip. */
async function explain(
  rule: RuleText,
  signal: AbortSignal,
): Promise<{ explanation: Explanation; doubts: FieldError[] }> {
  const { explanation, doubts } = await request<{ explanation: Explanation; doubts: Problem[] }>(
    "POST",
    "/api/rules/explain",
    rule,
    signal,
  );
  return { explanation, doubts: doubts.map(fieldError) };
}

const part = encodeURIComponent;

export type AlertAction =
  | "ack"
  | "reset"
  | "shelve"
  | "unshelve"
  | "unsuppress"
  | "out_of_service"
  | "in_service"
  | "comment";

export const api = {
  me: () => request<Me>("GET", "/api/me"),
  login: (name: string, password: string) => request<Me | null>("POST", "/api/login", { name, password }),
  logout: () => request<null>("POST", "/api/logout"),
  functions: () => request<FunctionReport>("GET", "/api/functions"),
  topics: () => request<UnclaimedTopic[]>("GET", "/api/topics"),
  clearedAlerts: () => request<Alert[]>("GET", "/api/alerts?state=cleared"),
  transitions: (alert: string) => request<Transition[]>("GET", `/api/alerts/${part(alert)}/transitions`),
  maintenance: () => request<Maintenance[]>("GET", "/api/maintenance"),
  planMaintenance: (window: { devices: string; rules: string; end: string; start?: string; note: string }) =>
    request<Maintenance>("POST", "/api/maintenance", window),
  endMaintenance: (id: string) => request<null>("DELETE", `/api/maintenance/${part(id)}`),
  deliveries: (alert: string) => request<Delivery[]>("GET", `/api/deliveries?alert=${part(alert)}`),
  channels: () => request<Channel[]>("GET", "/api/channels"),
  redrive: (of: { channel?: string; alert?: string }) =>
    request<{ count: number }>("POST", "/api/deliveries/redrive", of),
  series: (device: string, metric: string, from: number, to: number, points: number, signal?: AbortSignal) =>
    request<SeriesAnswer>(
      "GET",
      `/api/devices/${part(device)}/series?metric=${part(metric)}&from=${part(new Date(from).toISOString())}&to=${part(new Date(to).toISOString())}&points=${points}`,
      undefined,
      signal,
    ),
  addRule: (rule: Partial<RuleText>) => request<Rule>("POST", "/api/rules", rule),
  /** With `version`, refused (412) where that is not in force any more. */
  changeRule: (name: string, rule: Partial<RuleText>, version?: number) =>
    request<Rule>("PUT", `/api/rules/${part(name)}`, rule, undefined, version),
  deleteRule: (name: string) => request<null>("DELETE", `/api/rules/${part(name)}`),
  preview,
  explain,
  versions: (rule: string) => request<RuleVersion[]>("GET", `/api/rules/${part(rule)}/versions`),
  lastVersions: (limit: number) => request<RuleVersion[]>("GET", `/api/rule-versions?limit=${limit}`),
  zones: () => request<Zone[]>("GET", "/api/zones"),
  putZone: (name: string, feature: unknown) => request<Zone>("PUT", `/api/zones/${part(name)}`, feature),
  deleteZone: (name: string) => request<null>("DELETE", `/api/zones/${part(name)}`),
  alert: (id: string, action: AlertAction, body: { note?: string; until?: string }) =>
    request<Alert>("POST", `/api/alerts/${part(id)}/${action}`, body),
  alerts: (action: AlertAction, body: { alerts: string[]; note?: string; until?: string }) =>
    request<{ changed: Alert[]; unchanged: string[] }>("POST", `/api/alerts/${action}`, body),
  view: (stream: string, devices: "*" | string[]) =>
    request<null>("PUT", `/api/stream/${part(stream)}/view`, { devices }),
};
