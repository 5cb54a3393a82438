// An order's life as a picture: a band of states over time, and how much was filled by then.

import { make } from "./dom.js";
import { geometry, quantity } from "./numbers.js";
import { clock } from "./time.js";
import { lapse } from "./timeline.js";

const KINDS = {
  filled: "good", partially_filled: "part", canceled: "gone", expired: "gone", rejected: "bad", new: "live", stopped: "live",
};
const WORDS = {
  accepted: "Pending", held: "Held", pending_new: "Sent", new: "Working", partially_filled: "Part filled", filled: "Filled", pending_cancel: "Cancelling",
  pending_replace: "Changing", canceled: "Cancelled", expired: "Expired", rejected: "Rejected", suspended: "Suspended", done_for_day: "Done for day",
  calculated: "Settling", stopped: "Guaranteed", replaced: "Replaced",
};
const ENDS = new Set(["filled", "canceled", "expired", "rejected", "calculated"]);

/** Return the runs of one state that events tell: state, from, to, what was filled in them. */
function runsOf(events, now) {
  const runs = [];
  for (const event of events) {
    const state = event.is_unknown ? "unknown" : event.status;
    const at = Date.parse(event.recorded_at);
    const last = runs.at(-1);
    if (last) last.to = at;
    if (!last || last.state !== state) runs.push({ state, from: at, to: at, fills: [] });
    if (event.type === "order.executed") runs.at(-1).fills.push({ at, text: event.sentence, filled: event.filled_quantity });
  }
  const last = runs.at(-1);
  if (last && !ENDS.has(last.state)) last.to = now;
  return runs;
}

/** Return how wide a run is drawn: long waits wider than short ones, but a moment stays to be seen. */
function weight({ from, to }) {
  return 1 + Math.log10(1 + Math.max(0, to - from) / 10);
}

/** Return the picture, or null while there is too little to see. */
export function lifePicture(events, now = Date.now()) {
  const runs = runsOf(events, now);
  if (runs.length < 2) return null;
  const total = geometry(events.at(-1).quantity ?? "0");
  const band = make("ol", { class: "life-band" }, ...runs.map((run, index) => segment(run, index === runs.length - 1)));
  const last = runs.at(-1);
  const cells = runs.map((run) => filledCell(run, filledBy(events, run === last ? Infinity : run.to), total));
  const fills = runs.some((run) => run.fills.length) ? make("div", { class: "life-fills", "aria-hidden": "true" }, ...cells) : "";
  const ticks = make("div", { class: "life-ends muted" }, make("span", {}, clock(events[0].recorded_at)), make("span", {}, `${quantity(events.at(-1).filled_quantity)} of ${quantity(events.at(-1).quantity)} filled`), make("span", {}, clock(new Date(last.to))));
  return make("figure", { class: "life", role: "group", "aria-label": "The order's states over time" }, fills, band, ticks);
}

function segment(run, isLast) {
  const word = run.state === "unknown" ? "Unknown" : WORDS[run.state] ?? run.state;
  const lasted = isLast && ENDS.has(run.state) ? "" : lapse(run.to - run.from);
  const element = make("li", { "data-kind": run.state === "unknown" ? "bad" : KINDS[run.state] ?? "wait", title: `${word} ${lasted}` }, make("span", { class: "word" }, word), make("span", { class: "lasted" }, lasted));
  element.style.flexGrow = String(weight(run));
  return element;
}

function filledBy(events, at) {
  return events.filter((event) => Date.parse(event.recorded_at) < at).at(-1)?.filled_quantity ?? "0";
}

/** A column as high as what was filled when the run ended; a dot for each fill in it. */
function filledCell(run, filled, total) {
  const level = make("span", { class: "level", "data-none": !/[1-9]/.test(filled) });
  level.style.height = `${total ? Math.min(100, (100 * geometry(filled)) / total) : 0}%`;
  const cell = make("div", {}, level, ...run.fills.slice(0, 40).map((fill) => {
    const dot = make("i", { title: fill.text });
    const span = Math.max(1, run.to - run.from);
    dot.style.left = `${Math.round((96 * (fill.at - run.from)) / span)}%`;
    return dot;
  }));
  cell.style.flexGrow = String(weight(run));
  return cell;
}
