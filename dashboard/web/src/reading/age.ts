const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, in one unit: `now`, `7 s`, `4 min`, `3 h`, `12 d`. */
export function formatAge(ageMs: number): string {
  if (ageMs < SECOND) return "now";
  if (ageMs < 100 * SECOND) return `${Math.floor(ageMs / SECOND)} s`;
  if (ageMs < 100 * MINUTE) return `${Math.floor(ageMs / MINUTE)} min`;
  if (ageMs < 48 * HOUR) return `${Math.floor(ageMs / HOUR)} h`;
  return `${Math.floor(ageMs / DAY)} d`;
}

/** How long something lasted, in two units where the second matters: `12 s`, `4 min 05 s`, `3 h 20 min`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / SECOND));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ${two(Math.floor((seconds % 3_600) / 60))} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/** How a clock stands: `right to 0.2 s`, `4 min behind`, `3 h ahead`. */
export function formatSkew(aheadS: number): string {
  const off = Math.abs(aheadS) * SECOND;
  if (off < 10 * SECOND) return `right to ${(Math.ceil(off / 100) / 10).toFixed(1)} s`;
  return `${formatAge(off)} ${aheadS > 0 ? "ahead" : "behind"}`;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Local time: `14:02:05` today, `23 Nov 14:02` on another day, with the year in another year. */
export function formatTime(at: number, now: number): string {
  const date = new Date(at);
  const today = new Date(now);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (isSameDay(date, today)) return `${clock}:${two(date.getSeconds())}`;
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year} ${clock}`;
}

function isSameDay(a: Date, b: Date): boolean {
  return a.getFullYear() === b.getFullYear() && a.getMonth() === b.getMonth() && a.getDate() === b.getDate();
}

function two(part: number): string {
  return String(part).padStart(2, "0");
}
