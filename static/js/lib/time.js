// UTC on the wire; on screen the account's zone, always named.

const UTC = "UTC";
let zone = UTC;
let formats = build(UTC);

function build(timeZone) {
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone };
  const day = { year: "numeric", month: "2-digit", day: "2-digit", timeZone };
  const make = (options) => new Intl.DateTimeFormat("en-GB", options);
  return {
    clock: make(clock),
    minute: make({ ...clock, second: undefined }),
    day: new Intl.DateTimeFormat("en-CA", day),
    short: make({ month: "short", day: "numeric", timeZone }),
    exact: make({ ...clock, fractionalSecondDigits: 3 }),
    month: make({ month: "short", year: "2-digit", timeZone }),
    name: make({ timeZone, timeZoneName: "short" }),
  };
}

/** Show times in a zone from now on; an unknown one leaves UTC. */
export function useZone(timeZone) {
  try {
    formats = build(timeZone);
    zone = timeZone;
  } catch {
    formats = build(UTC);
    zone = UTC;
  }
}

/** Return the instant of a wall clock's time in the zone, as "2026-11-20T16:00" writes it, in UTC; null for none. */
export function instantOf(text) {
  const wall = /^\d{4}-\d\d-\d\dT\d\d:\d\d$/.test(text ?? "") ? Date.parse(`${text}Z`) : Number.NaN;
  if (Number.isNaN(wall)) return null;
  // Twice: the first guess may lie on the other side of a change of the clocks.
  let guess = wall;
  for (let turn = 0; turn < 2; turn += 1) guess = wall - (wallOf(guess) - guess);
  return new Date(guess).toISOString();
}

/** Return an instant as a wall clock in the zone shows it: "2026-11-20T16:00". */
export function wallText(value) {
  return new Date(wallOf(at(value).getTime())).toISOString().slice(0, 16);
}

/** Return what a wall clock in the zone shows at an instant, read as if it were UTC. */
function wallOf(instant) {
  const date = new Date(instant);
  return Date.parse(`${formats.day.format(date)}T${formats.clock.format(date)}Z`);
}

/** Return the zone's name as people read it, such as "New York (EST)". */
export function zoneName(at = new Date()) {
  if (zone === UTC) return UTC;
  const short = formats.name.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${zone.split("/").at(-1).replaceAll("_", " ")} (${short})`;
}

const at = (value) => (value instanceof Date ? value : new Date(value));
const shown = (format, value) => (value ? format.format(at(value)) : "\u2013");

export const clock = (value) => shown(formats.clock, value);
export const minute = (value) => shown(formats.minute, value);
export const exact = (value) => shown(formats.exact, value);
export const day = (value) => shown(formats.day, value);
export const shortDay = (value) => shown(formats.short, value);
export const month = (value) => shown(formats.month, value);

/** Return the time of today's instants, and the date as well for older ones. */
export function brief(value, now = new Date()) {
  if (!value) return "\u2013";
  return day(value) === day(now) ? clock(value) : `${shortDay(value)} ${minute(value)}`;
}

/** Return a length of time as "2:03:09" or "3:09". */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Return an age in words: "4 s", "3 min", "2 h". */
export function age(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
