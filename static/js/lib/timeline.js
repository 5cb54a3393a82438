// An order's events as a list: what, in a sentence, by whom, when and how long after.

import { brief, exact } from "./time.js";
import { make } from "./dom.js";
import { fixed, places, quantity, readable, DASH } from "./numbers.js";

const BAD = /refused|rejected|anomaly|unknown|dropped|busted/;
const GOOD = /executed|filled/;
const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)/g;

const MONEY = new Set(["cash after", "realised P&L", "fee"]);

/** Return a text as people read it: amounts grouped, instants in the account's zone. */
function worded(text) {
  return readable(text.replace(INSTANT, (instant) => brief(instant)));
}

/** Return a fact's value: amounts grouped, money to its cents, all else as it is. */
function valueText(name, value) {
  if (/^-?\d+(\.\d+)?$/.test(value)) return fixed(value, MONEY.has(name) ? 2 : name === "reserved at" ? Math.max(2, places(value)) : places(value));
  return worded(value);
}

/** Return one list item for an event of the timeline as the server words it. */
export function timelineItem(event) {
  const kind = BAD.test(event.type) ? "bad" : GOOD.test(event.type) ? "good" : "plain";
  const facts = Object.entries(event.facts ?? {}).map(([name, value]) => `${name} ${valueText(name, value)}`).join(" · ");
  const latency = event.latency_ms === null || event.latency_ms === undefined ? "" : `+${lapse(event.latency_ms)}`;
  return make(
    "li",
    { "data-kind": kind, "data-type": event.type },
    make(
      "div", {},
      make("strong", {}, event.title), make("span", { class: "muted" }, ` ${event.actor}`),
      event.sentence ? make("div", { class: "sentence" }, worded(event.sentence)) : null,
      facts ? make("div", { class: "facts" }, facts) : null,
      event.venues_seen?.length ? venuesSeen(event.venues_seen) : null,
    ),
    make("div", { class: "when", title: event.recorded_at }, make("div", {}, `${brief(event.recorded_at).replace(/\d\d:\d\d(:\d\d)?$/, "")}${exact(event.recorded_at)}`), make("div", {}, latency)),
  );
}

/** Return a length of time as people say it: "12 ms", "4.2 s", "3 min", "2 h". */
export function lapse(milliseconds) {
  if (milliseconds < 1000) return `${milliseconds} ms`;
  if (milliseconds < 90_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return milliseconds < 5_400_000 ? `${Math.round(milliseconds / 60_000)} min` : `${Math.round(milliseconds / 3_600_000)} h`;
}

/** Return what the router saw: each venue with its quote, and why it was left out. */
function venuesSeen(seen) {
  const cell = (text, name = "") => make("td", { class: name }, text);
  const amount = (text) => (text === null || text === undefined ? DASH : quantity(text));
  const rows = seen.map((venue) => make(
    "tr", {},
    cell(venue.venue), cell(amount(venue.best_price), "number"), cell(amount(venue.displayed), "number"), cell(feeText(venue), "number"),
    cell(`${venue.latency_ms} ms`, "number"), cell(venue.is_left_out ? "left out: failing" : venue.is_suspect ? "slow: used last" : "healthy", venue.is_left_out ? "danger" : venue.is_suspect ? "warn" : ""),
  ));
  const head = [["Venue"], ["Price", "number"], ["Shown", "number"], ["Fee", "number"], ["Latency", "number"], ["Health"]].map(([text, name]) => make("th", { scope: "col", class: name ?? "" }, text));
  return make("details", { class: "seen fold" }, make("summary", {}, `What the router saw: ${seen.length} venues`), make("table", { class: "table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function feeText({ fee_rate: rate, fee_per_unit: unit }) {
  const parts = [/[1-9]/.test(rate ?? "") ? quantity(rate) : "", /[1-9]/.test(unit ?? "") ? `${quantity(unit)} a unit` : ""].filter(Boolean);
  return parts.join(" + ") || "none";
}
