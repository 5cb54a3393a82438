// The words of an order on screen, and its three steps.

import { quantity, readable } from "./numbers.js";

const OVER = new Set(["filled", "canceled", "expired", "rejected", "replaced", "calculated"]);
const FAILED = new Set(["rejected"]);
const GONE = new Set(["canceled", "expired", "replaced"]);
const STATUS = {
  accepted: "Pending",
  pending_new: "Pending",
  held: "Held until the entry fills",
  new: "Working",
  stopped: "Working, price guaranteed",
  suspended: "Suspended by the venue",
  done_for_day: "Done for the day",
  partially_filled: "Partially filled",
  filled: "Filled",
  calculated: "Filled, being settled",
  pending_cancel: "Cancelling",
  pending_replace: "Change pending",
  canceled: "Cancelled",
  replaced: "Replaced",
  rejected: "Rejected",
  expired: "Expired",
};
const AUCTIONS = { opg: "Waiting for the opening auction", cls: "Waiting for the closing auction" };

export const SIDES = { buy: "Buy", sell: "Sell" };
export const CONNECTION = {
  connecting: "Connecting",
  resyncing: "Resyncing",
  live: "Live",
  stale: "Stale",
  reconnecting: "Reconnecting",
  offline: "Offline",
  ended: "Session ended",
};
export const CONNECTION_ICONS = {
  connecting: "loader-circle",
  resyncing: "refresh-cw",
  live: "wifi",
  stale: "clock",
  reconnecting: "refresh-cw",
  offline: "wifi-off",
  ended: "lock",
};

export const isOpen = (order) => !OVER.has(order.status);
export const isCancelable = (order) => isOpen(order) && !["pending_cancel", "pending_replace", "done_for_day", "calculated"].includes(order.status);
export const isWorking = (order) => isOpen(order) && order.type !== "market";
/** Tell whether an order stands in a book at its limit price. */
export const isResting = (order) => isOpen(order) && order.type === "limit" && !["held", "accepted"].includes(order.status);
/** Tell whether a venue can be asked for other terms of an order now. */
export const isChangeable = (order) => ["new", "partially_filled", "stopped"].includes(order.status) && order.outcome !== "unknown" && order.type !== "market";

/** Return an order's status in words; `session` is that of its instrument, where it is known. */
export function statusText(order, session = null) {
  if (order.outcome === "unknown") return "Unknown \u2013 asking the venue";
  if (order.status === "accepted" && session?.is_open === false) return "Waiting for the open";
  if (order.status === "new") return waitText(order);
  if (order.status === "done_for_day" && order.time_in_force === "gtc") return "Done for the day, back at the open";
  return STATUS[order.status] ?? order.status_text ?? order.status;
}

/** Return what an order at the venue waits for. */
function waitText(order) {
  if (order.type === "trailing_stop") return `Trailing by ${order.trail_percent ? `${quantity(order.trail_percent)}%` : quantity(order.trail_price)}`;
  if (order.stop_price) return `Stop waiting at ${quantity(order.stop_price)}`;
  if (order.algorithm) return `Working by ${order.algorithm.name.toUpperCase()}`;
  return AUCTIONS[order.time_in_force] ?? STATUS.new;
}

/** Return the marks of an order's three steps: sent in, at the venue, ended. */
export function steps(order) {
  const state = order.status;
  if (FAILED.has(state)) return ["done", order.submitted_at ? "done" : "", "failed"];
  if (GONE.has(state)) return ["done", "done", "gone"];
  if (OVER.has(state)) return ["done", "done", "filled"];
  if (state === "accepted" || state === "pending_new" || state === "held") return ["now", "", ""];
  return ["done", "now", ""];
}

/** Return why an order stands where it stands, in one sentence, or "". */
export function reasonText(order) {
  return (order.reasons ?? []).map((reason) => readable(reason.sentence || reason.code)).join(" ");
}

/** Return an order in words: "Buy 10 AAPL". */
export function orderText(order, quantityText) {
  return `${SIDES[order.side] ?? order.side} ${quantityText} ${order.symbol}`;
}
