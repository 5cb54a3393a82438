// Orders in the words of a trader: types, prices, times, and a whole order in a sentence.

import * as numbers from "./numbers.js";
import { brief } from "./time.js";
import { SIDES } from "./words.js";

const TYPES = { market: "Market", limit: "Limit", stop: "Stop", stop_limit: "Stop limit", trailing_stop: "Trailing stop" };
const LEGS = { take_profit: "Take-profit", stop_loss: "Stop-loss" };
const TIMES = {
  day: "for the day", gtc: "good till cancelled", ioc: "immediate or cancel", fok: "fill or kill", opg: "at the open", cls: "at the close",
};
const TIMES_SHORT = { day: "Day", gtc: "GTC", ioc: "IOC", fok: "FOK", opg: "Open", cls: "Close" };

const price = (text, decimals) => numbers.fixed(text, Math.max(numbers.places(text), decimals));

export function typeText(order) {
  const name = TYPES[order.type] ?? order.type;
  return order.algorithm ? `${name}, ${order.algorithm.name.toUpperCase()}` : name;
}

/** Return what an exit is to what it leaves, or ""; the first order of an OCO takes the profit itself. */
export function legText(order) {
  return LEGS[order.leg] ?? (order.order_class === "oco" ? LEGS.take_profit : "");
}

/** Return how far a trailing stop trails, or "". */
export function trailText(order, decimals) {
  if (order.trail_percent) return `${numbers.quantity(order.trail_percent)}%`;
  return order.trail_price ? price(order.trail_price, decimals) : "";
}

/** Return the prices an order waits for, as a table shows them. */
export function priceText(order, decimals) {
  const limit = order.limit_price ? price(order.limit_price, decimals) : "";
  const stop = order.stop_price ? price(order.stop_price, decimals) : "";
  if (order.type === "trailing_stop") return `trail ${trailText(order, decimals)}`;
  if (stop) return limit ? `stop ${stop} / ${limit}` : `stop ${stop}`;
  return limit || numbers.DASH;
}

export function timeText(order) {
  if (order.time_in_force === "gtc" && order.good_till) return `till ${brief(order.good_till)}`;
  const word = TIMES_SHORT[order.time_in_force] ?? order.time_in_force;
  return order.extended_hours ? `${word} ext.` : word;
}

/** Return how much is ordered: a quantity, or an amount of money. */
export function amountText(order, currency = "") {
  return order.notional ? `${numbers.quantity(order.notional)} ${currency} of`.replace("  ", " ") : numbers.quantity(order.qty);
}

/** Return an order, as it is about to be sent, in a sentence or two. */
export function orderSentence(order, decimals, currency) {
  const p = (text) => price(text, decimals);
  const said = [`${SIDES[order.side]} ${amountText(order, currency)} ${order.symbol}`];
  if (order.order_class === "oco") said.push(`at ${p(order.take_profit.limit_price)} or better, or at the stop ${p(order.stop_loss.stop_price)}, whichever comes first`);
  else {
    if (order.stop_price) said.push(`once the price reaches ${p(order.stop_price)}`);
    if (order.type === "trailing_stop") said.push(`once the price turns by ${trailText(order, decimals)}`);
    said.push(order.limit_price ? `at ${p(order.limit_price)} or better` : "at the market");
  }
  if (order.algorithm) said.push(`worked by ${order.algorithm.name.toUpperCase()} until ${brief(order.algorithm.ends_at)}`);
  said.push(order.good_till ? `good till ${brief(order.good_till)}` : TIMES[order.time_in_force]);
  if (order.extended_hours) said.push("also outside the regular session");
  if (order.venue) said.push(`at ${order.venue === "smart" ? "the smart router" : order.venue}`);
  return `${said.join(", ")}.${exitSentence(order, p)}`;
}

function exitSentence(order, p) {
  if (!order.order_class || order.order_class === "oco") return "";
  const { take_profit: profit, stop_loss: loss } = order;
  const out = loss && `stop out at ${p(loss.stop_price)}${loss.limit_price ? ` (limit ${p(loss.limit_price)})` : ""}`;
  const take = profit && `take the profit at ${p(profit.limit_price)}`;
  return ` Then ${[take, out].filter(Boolean).join(" or ")}.`;
}
