// What the ticket says of the command it sent: under way, not sure, refused and why, or placed and how far.

import { desk } from "./desk.js";
import { icon, make } from "./dom.js";
import * as numbers from "./numbers.js";
import { reasonText, SIDES, statusText } from "./words.js";

/** Return what to show of a command, or null; `acts` are what its buttons do. */
export function placingMessage(placing, acts) {
  const { state } = placing;
  if (state === "sending") return say("info", "loader-circle", "Sending…");
  if (state === "checking") return say("info", "loader-circle", "Checking… No answer yet; asking whether the order arrived.");
  if (state === "unsure") {
    return say(
      "warn", "triangle-alert", placing.detail ? make("p", {}, placing.detail) : null,
      make("p", {}, "It is not known whether the order arrived. Sending it again is safe: it carries the same identity and is placed once."),
      button("Send the same order again", "", acts.again), button("Leave it", "button-quiet", acts.leave),
    );
  }
  if (state === "invalid" || state === "refused") return say("danger", "circle-x", make("strong", {}, placing.title), reasonList(placing));
  return state === "placed" ? placed(placing) : null;
}

function say(level, name, ...content) {
  return make("div", { class: `callout callout-${level}` }, icon(name), make("div", {}, ...content.filter(Boolean)));
}

function button(text, look, onclick) {
  return make("button", { class: `button button-small ${look}`.trim(), type: "button", onclick }, text);
}

function reasonList({ reasons, detail }) {
  const texts = reasons.map((reason) => numbers.readable(reason.sentence || reason.message || reason.code || "")).filter(Boolean);
  return texts.length ? make("ul", {}, ...texts.map((text) => make("li", {}, text))) : make("p", {}, detail);
}

function placed(placing) {
  const order = desk.orders.get(placing.orderId);
  if (!order) return null;
  const filled = order.qty ? `${numbers.quantity(order.filled_qty)} of ${numbers.quantity(order.qty)}` : numbers.quantity(order.filled_qty);
  const isBad = order.status === "rejected";
  const text = `${SIDES[order.side]} ${order.symbol}: ${statusText(order, desk.sessionOf(order))}${/[1-9]/.test(order.filled_qty) ? `, ${filled}` : ""}.`;
  return say(isBad ? "danger" : "info", isBad ? "circle-x" : "circle-check", text, isBad ? make("p", {}, reasonText(order)) : null);
}
