// The words of an order on screen, and its three steps.

import { readable } from "./numbers.js";

const OVER = new Set(["filled", "canceled", "expired", "rejected", "replaced", "calculated"]);
const FAILED = new Set(["rejected"]);
const GONE = new Set(["canceled", "expired", "replaced"]);
const STATUS = {
  accepted: "Pending",
  pending_new: "Pending",
  held: "Pending",
  new: "Working",
  stopped: "Working",
  suspended: "Working",
  done_for_day: "Working",
  partially_filled: "Partially filled",
  filled: "Filled",
  calculated: "Filled",
  pending_cancel: "Cancelling",
  pending_replace: "Working",
  canceled: "Cancelled",
  replaced: "Replaced",
  rejected: "Rejected",
  expired: "Expired",
};

export const TIMES_IN_FORCE = { day: "Day", gtc: "GTC", ioc: "IOC", fok: "FOK", opg: "OPG", cls: "CLS" };
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
export const isCancelable = (order) => isOpen(order) && order.status !== "pending_cancel";
export const isWorking = (order) => isOpen(order) && order.type !== "market";

/** Return an order's status in words. */
export function statusText(order) {
  if (order.outcome === "unknown") return "Unknown, being confirmed";
  return order.status_text || STATUS[order.status] || order.status;
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
