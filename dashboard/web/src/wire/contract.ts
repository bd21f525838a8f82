/** The objects the server sends: fields as in the HTTP and SSE contract, times RFC 3339 UTC unless a name says `_ms`. */

export const SEVERITIES = ["critical", "major", "warning", "info"] as const;
export type Severity = (typeof SEVERITIES)[number];

export type Value = number | boolean | string;
export type Connection = "online" | "offline" | "unknown";
export type Freshness = "fresh" | "stale" | "silent" | "never";

export interface MetricState {
  value: Value | null;
  time: string | null;
  unit?: string | null;
}

export interface RejectedPayload {
  at: string;
  topic: string;
  reason: string;
  payload_preview: string;
}

/** What people say about a device: `site` = `north`. */
export type Tags = Readonly<Record<string, string>>;
export type Limits = Readonly<Record<string, number>>;
/** What its profile states of a device: `medium` = `steam`, and `name`. */
export type Profile = Readonly<Record<string, string | number>>;

export interface DeviceState {
  id: string;
  connection: Connection;
  connection_reason: string | null;
  via: string | null;
  freshness: Freshness;
  last_seen: string | null;
  messages_total: number;
  readings_total: number;
  late_total: number;
  duplicates_total: number;
  rejected_total: number;
  future_total?: number;
  jumps_total?: number;
  clock_skew_s?: number | null;
  clock_wrong?: boolean;
  refused_total?: number;
  metrics: Record<string, MetricState>;
  tags?: Tags;
  /** What `limit('…')` is on it: of its profile, or of its own tag. */
  limits?: Limits;
  profile?: Profile;
  last_rejected?: RejectedPayload | null;
}

export interface Presence {
  device: string;
  connection: Connection;
  connection_reason: string | null;
  freshness: Freshness;
  via: string | null;
  last_seen: string | null;
  revision: number;
}

export type AlertLife = "pending" | "active" | "acknowledged" | "cleared_unacknowledged" | "cleared";
export type Suppression = "none" | "shelved" | "suppressed" | "out_of_service";

export interface Comment {
  at: string;
  by: string;
  action: string;
  note: string;
}

export interface Alert {
  id: string;
  rule: string;
  subject: string;
  device: string | null;
  severity: Severity;
  state: AlertLife;
  active: boolean;
  acknowledged: boolean;
  latched: boolean;
  suppression: Suppression;
  value: Value | null;
  message: string;
  began_at: string;
  raised_at: string | null;
  cleared_at: string | null;
  acknowledged_by: string | null;
  acknowledged_at: string | null;
  comments: Comment[];
  durable: boolean;
  revision: number;
  shelved_until?: string | null;
  suppressed_by?: string | null;
  rings?: number;
  flapping?: boolean;
}

/** What a rule saw. */
export interface Seen {
  readings: Record<string, { value: Value; time: string }>;
  windows: Record<string, number>;
  /** Those of a group that counted, the first 100. */
  devices: string[];
}

/** One change of an alert, and what its rule saw. */
export interface Transition extends Seen {
  at: string;
  by: string;
  event: string;
  note: string;
  state: AlertLife;
  latched: boolean;
  suppression: Suppression;
  revision: number;
  shelved_until: string | null;
  suppressed_by: string | null;
  /** Of what a timer made: what the rule saw when it turned last. */
  started_by: Seen | null;
}

/** A time in which alarms of the devices and rules that match are out of service. */
export interface Maintenance {
  id: string;
  devices: string;
  rules: string;
  start: string;
  end: string;
  by: string;
  note: string;
}

/** What became of one transition on its way through one channel. */
export interface Delivery {
  channel: string;
  key: string;
  alert: string;
  revision: number;
  alert_state: AlertLife;
  state: "queued" | "sent" | "confirmed" | "failed" | "dead";
  attempts: number;
  queued_at: string;
  changed_at: string;
  next_at: string | null;
  error: string | null;
  command: string | null;
}

/** A channel and how it does. */
export interface Channel {
  name: string;
  kind: "webhook" | "mqtt";
  target: string;
  failing: boolean;
  waiting: number;
  in_flight: number;
  confirmed_total: number;
  failed_total: number;
  dead_total: number;
  dropped_total: number;
  last_success_at: string | null;
  last_error: string | null;
  last_error_at: string | null;
  group_by: string | null;
}

/** What a rule would have done from `from` to `to`; `subjects` are the devices with an alert. */
export interface Preview {
  from: string;
  to: string;
  readings: number;
  devices: number;
  rang: number;
  subjects: PreviewSubject[];
}

/** What it would have done on one device. Of `changes_total` transitions the first ones are listed. */
export interface PreviewSubject {
  device: string;
  rang: number;
  flaps: number;
  in_alarm_s: number;
  in_alarm: boolean;
  changes_total: number;
  changes: {
    at: string;
    id: string;
    state: AlertLife;
    began_at: string;
    value: number | null;
    message: string;
    revision: number;
  }[];
}

/** The keys of a `[[rule]]` table that the page edits. */
export interface RuleText {
  name: string;
  devices: string;
  tags?: Tags;
  group_by?: string;
  when: string;
  clear: string | null;
  on_delay: string;
  off_delay: string;
  latch?: boolean;
  re_alarm?: string;
  inhibited_by?: readonly string[];
  actions?: readonly string[];
  severity: Severity;
  message: string;
  enabled: boolean;
}

export interface Rule extends RuleText {
  source: string;
  version?: number;
  updated_by?: string | null;
  updated_at?: string | null;
}

/** What judging a rule takes: what wakes it, the windows it reads and with whom, whether calm readings cost it anything. */
export interface Explanation {
  rule: string;
  woken_by: string[];
  by_any_reading: boolean;
  /** `age_s`, or null where it is each device's own: what `own` says. */
  at_silences: { metric: string; age_s: number | null; own: string | null }[];
  at_hours: boolean;
  /** Of a session `size_s` is the gap that ends it. */
  windows: { metric: string; size_s: number; functions: string[]; shared_with: string[]; session: boolean }[];
  /** Of a rule across groups: the conditions whose devices it counts, and the numbers it asks of each. */
  counts: string[];
  numbers: string[];
  group_by: string | null;
  spares_readings: boolean;
  parts: { condition: string; bounded: boolean }[];
  judged_with: string[];
  nodes: number;
  judged_us: number;
}

export type RuleKey = Exclude<keyof RuleText, "name">;

/** What a rule became, by whom, from what to what; no `rule`: it was deleted, and `before` is what it was. */
export interface RuleVersion {
  name: string;
  version: number;
  at: string;
  by: string;
  source: string;
  kind: "added" | "changed" | "deleted";
  changed: { [Key in RuleKey]?: [RuleText[Key], RuleText[Key]] };
  rule: Partial<RuleText> | null;
  before: Partial<RuleText> | null;
}

/** `[device, metric, event time in ms, newest value, min, max, count, mean]`: one series in one frame; no mean of one. */
export type Reading = [string, string, number, Value, number | null, number | null, number, number?];

export interface Frame {
  at: number;
  received_at: number;
  readings: Reading[];
}

export interface Hello {
  stream: string;
  boot: string;
  reset: boolean;
  now: string | number;
  version: string;
  mqtt: Endpoint | null;
  demo: boolean;
}

export interface Endpoint {
  host: string;
  port: number;
}

export interface Status {
  now: string | number;
  messages_per_s: number;
  readings_per_s: number;
  messages_total: number;
  readings_total: number;
  devices: number;
  series: number;
  rejected_total: number;
  late_total: number;
  duplicates_total: number;
  viewers: number;
  connections: number;
  latency: Latency;
  journal: {
    state: "ok" | "behind" | "failing";
    error: string | null;
    pending_bytes: number;
    last_commit_ms: number | null;
  };
  history?: { bytes: number; oldest: string | null };
  /** Background work that failed at its last try. */
  troubles: { work: string; error: string }[];
  /** Batches that could not be judged, since the start. */
  failures_total: number;
  /** Readings that will never be in history, since the start. */
  dropped_readings_total: number;
  stopping: boolean;
  changes: Changes;
}

/** Numbers that step when the API would answer otherwise than before. */
export interface Changes {
  deliveries: number;
  maintenance: number;
  functions: number;
  zones: number;
}

export interface Latency {
  count: number;
  under_250ms: number;
  p50_ms: number | null;
  p99_ms: number | null;
  max_ms: number | null;
}

/** Buckets of one metric; `null` in `min`, `max`, `avg` marks a bucket without readings. */
export interface SeriesAnswer {
  /** What had arrived by then is in it. */
  at: string | number;
  metric: string;
  unit: string | null;
  time: (string | number)[];
  min: (number | null)[];
  max: (number | null)[];
  avg: (number | null)[];
  count: number[];
}

export interface FunctionState {
  name: string;
  kind: "reading" | "readings" | "alert";
  devices: string;
  metrics: string[];
  doc: string;
  state: "running" | "paused";
  paused_until: string | null;
  calls_total: number;
  seconds_total: number;
  errors_total: number;
  timeouts_total: number;
  crashes_total: number;
  readings_total: number;
  comments_total: number;
  refused_total: number;
  last_error: string | null;
  last_error_at: string | null;
}

export interface FunctionReport {
  folder: string | null;
  worker: "none" | "starting" | "idle" | "busy" | "paused";
  starts_total: number;
  queued_readings: number;
  dropped_readings_total: number;
  dropped_alerts_total: number;
  lost_readings_total: number;
  sources: { name: string; error: string | null }[];
  functions: FunctionState[];
  log: { time: string; function: string; text: string }[];
}

export type Position = [longitude: number, latitude: number, ...rest: number[]];

/** What of GeoJSON is a zone: a circle is a Point with `radius_m` in its properties. */
export type ZoneGeometry =
  | { type: "Point"; coordinates: Position }
  | { type: "Polygon"; coordinates: Position[][] }
  | { type: "MultiPolygon"; coordinates: Position[][][] };

export interface ZoneFeature {
  type: "Feature";
  properties: { name?: string; radius_m?: number } | null;
  geometry: ZoneGeometry;
}

/** A place that rules ask for, and the rules that do. */
export interface Zone {
  name: string;
  source: string;
  updated_by: string;
  updated_at: string | null;
  rules: string[];
  feature: ZoneFeature;
}

export interface UnclaimedTopic {
  topic: string;
  count: number;
  last_at: string;
  preview: string;
}

export interface Me {
  name: string | null;
  login_required: boolean;
  demo: boolean;
  version: string;
  mqtt: Endpoint | null;
}

/** Every event of `GET /api/stream`, by name. */
export interface Events {
  hello: Hello;
  devices: { devices: DeviceState[]; complete: boolean };
  readings: Frame;
  alert: Alert;
  presence: Presence;
  rules: { rules: Rule[] };
  status: Status;
}

export const EVENT_NAMES = ["hello", "devices", "readings", "alert", "presence", "rules", "status"] as const;

/** Milliseconds since the epoch of a time as the server writes it: RFC 3339, seconds or milliseconds. */
export function millis(time: string | number | null | undefined): number | null {
  if (time === null || time === undefined) return null;
  if (typeof time === "number") return time < 1e11 ? time * 1000 : time;
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? null : parsed;
}
