// An order's events as a list: what, by whom, when and how long after.

import { exact, brief } from "./time.js";
import { make } from "./dom.js";
import { fixed, places, readable } from "./numbers.js";

const BAD = /refused|rejected|anomaly|unknown|dropped|busted/;
const GOOD = /executed|filled/;

const MONEY = new Set(["cash after", "realised P&L", "fee"]);

/** Return a fact's value: amounts grouped, money to its cents, all else as it is. */
function worded(name, value) {
  if (/^-?\d+(\.\d+)?$/.test(value)) return fixed(value, MONEY.has(name) ? 2 : places(value));
  return name === "because" ? readable(value) : value;
}

/** Return one list item for an event of the timeline as the server words it. */
export function timelineItem(event) {
  const kind = BAD.test(event.type) ? "bad" : GOOD.test(event.type) ? "good" : "plain";
  const facts = Object.entries(event.facts ?? {}).map(([name, value]) => `${name} ${worded(name, value)}`).join(" · ");
  const latency = event.latency_ms === null || event.latency_ms === undefined ? "" : `+${event.latency_ms} ms`;
  return make(
    "li",
    { "data-kind": kind, "data-type": event.type },
    make("div", {}, make("strong", {}, event.title), make("span", { class: "muted" }, ` ${event.actor}`), facts ? make("div", { class: "facts" }, facts) : null),
    make("div", { class: "when", title: event.recorded_at }, make("div", {}, `${brief(event.recorded_at).replace(/\d\d:\d\d(:\d\d)?$/, "")}${exact(event.recorded_at)}`), make("div", {}, latency)),
  );
}
