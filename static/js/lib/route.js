// Where a router worked an order: what it sent to each venue, and what was filled there.

import { make } from "./dom.js";
import { DASH, fixed, quantity, total } from "./numbers.js";

/** Return the venues of an order's route as a table, or null for an order that no router worked. */
export function routeTable(events) {
  const venues = new Map();
  const at = (venue) => venues.get(venue) ?? venues.set(venue, { sent: [], filled: [], last: null }).get(venue);
  for (const event of events) {
    for (const slice of event.slices ?? []) at(slice.venue).sent.push(slice.quantity);
    if (event.fill?.venue) {
      const child = at(event.fill.venue);
      child.filled.push(event.fill.quantity);
      child.last = event.fill.price;
    }
  }
  if (!venues.size) return null;
  const cell = (text, name = "") => make("td", { class: name }, text);
  const rows = [...venues].sort(([a], [b]) => (a < b ? -1 : 1)).map(([venue, child]) => make(
    "tr", {},
    cell(venue), cell(quantity(total(child.sent)), "number"), cell(quantity(total(child.filled)), "number"),
    cell(String(child.filled.length), "number"), cell(child.last ? fixed(child.last, 2) : DASH, "number"),
  ));
  const head = [["Worked at"], ["Sent there", "number"], ["Filled", "number"], ["Fills", "number"], ["Last price", "number"]].map(([text, name]) => make("th", { scope: "col", class: name ?? "" }, text));
  return make("table", { class: "table route-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}
