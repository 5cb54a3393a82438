// Which fields an order has, by its type and its instrument: what the ticket shows, and what it sends.

import { typed } from "./numbers.js";
import { offered, rules } from "./order-rules.js";
import { instantOf } from "./time.js";

const RESTING = offered(rules.resting_times);
const ALL_TIMES = offered(rules.times);

export const TYPE_NOTES = {
  limit: "Trades at your price or better, or waits.",
  market: "Trades at once at the best price there is.",
  stop: { buy: "Sleeps until the price rises to the stop, then buys at the market.", sell: "Sleeps until the price falls to the stop, then sells at the market." },
  stop_limit: { buy: "Sleeps until the price rises to the stop, then buys at your limit or better.", sell: "Sleeps until the price falls to the stop, then sells at your limit or better." },
  trailing_stop: { buy: "The stop follows the price down and never up; touched, it buys at the market.", sell: "The stop follows the price up and never down; touched, it sells at the market." },
};
export const TIME_NOTES = {
  day: "", gtc: "Works until it fills or you cancel it.", gtd: "Works until the date you name.",
  ioc: "Trades what it can at once; the rest is cancelled.", fok: "All of it at once, or nothing.",
  opg: "Only in the opening auction.", cls: "Only in the closing auction.",
};
export const EXIT_NOTES = {
  none: "", bracket: "Both exits wait until the entry fills; one ends the other.",
  oto_profit: "The take-profit waits until the entry fills.", oto_stop: "The stop-loss waits until the entry fills.",
  oco: "Both work at once on what you hold; one ends the other.",
};
export const ALGORITHM_NOTES = {
  none: "", twap: "Equal parts at even intervals, sent by the smart router.", vwap: "Parts sized like the day's usual volume, sent by the smart router.",
};
const CLASSES = { bracket: "bracket", oto_profit: "oto", oto_stop: "oto", oco: "oco" };

/** Return which exits a type of order can have. */
export function exitsOf(draft) {
  if (!rules.entry_types.includes(draft.type)) return ["none"];
  return ["none", "bracket", "oto_profit", "oto_stop", ...(rules.oco_types.includes(draft.type) ? ["oco"] : [])];
}

/** Tell whether an instrument can be ordered by amount. */
function takesAmounts(instrument) {
  return Boolean(instrument) && (instrument.is_fractionable || /^0?\./.test(instrument.lot_size));
}

/** Return the choices as they hold together: what a type, an exit or the instrument rules out falls back. */
export function chosen(draft, instrument) {
  const { type } = draft;
  const isPlain = rules.plain_types.includes(type);
  const isEquity = instrument?.asset_class === rules.equity;
  const exits = exitsOf(draft).includes(draft.exits) ? draft.exits : "none";
  const canAmount = isPlain && exits === "none" && takesAmounts(instrument);
  const isAmount = canAmount && draft.basis === "amount";
  const canWork = isPlain && exits === "none" && !isAmount;
  const algorithm = canWork ? draft.algorithm : "none";
  const times = timesOf({ isPlain, isEquity, isAmount, isBound: exits !== "none" || algorithm !== "none" });
  const tif = times.includes(draft.tif) ? draft.tif : times[0];
  const canExtend = isEquity && rules.extended_types.includes(type) && RESTING.includes(tif) && exits === "none" && algorithm === "none" && !isAmount;
  return {
    type, exits, canAmount, isAmount, canWork, algorithm, times, tif, canExtend,
    isExtended: canExtend && draft.extended === "yes",
    hasLimit: rules.with_limit.includes(type) && exits !== "oco",
    hasStop: rules.with_stop.includes(type),
    hasTrail: rules.with_trail.includes(type),
    hasProfit: ["bracket", "oto_profit", "oco"].includes(exits),
    hasLoss: ["bracket", "oto_stop", "oco"].includes(exits),
  };
}

function timesOf({ isPlain, isEquity, isAmount, isBound }) {
  if (isAmount && isEquity) return ["day"];
  if (!isPlain || isBound) return RESTING;
  return isEquity ? ALL_TIMES : ALL_TIMES.filter((time) => !rules.auctions.includes(time));
}

/** Tell whether everything the order needs has been typed. */
export function isDraftComplete(draft, instrument) {
  const form = chosen(draft, instrument);
  const needed = [
    [true, draft.quantity], [form.hasLimit, draft.limit], [form.hasStop, draft.stop], [form.hasTrail, draft.trail],
    [form.hasProfit, draft.profit], [form.hasLoss, draft.loss], [form.algorithm !== "none", draft.minutes],
  ];
  if (form.hasLoss && draft.lossLimit && !typed(draft.lossLimit)) return false;
  if (form.tif === "gtd" && !instantOf(draft.until)) return false;
  return needed.every(([applies, text]) => !applies || typed(text) !== null);
}

/** Return the fields that the server takes. */
export function orderOf(draft, instrument) {
  const form = chosen(draft, instrument);
  return {
    side: draft.side,
    type: form.type,
    time_in_force: form.tif === "gtd" ? "gtc" : form.tif,
    [form.isAmount ? "notional" : "qty"]: typed(draft.quantity),
    ...(form.hasLimit ? { limit_price: typed(draft.limit) } : {}),
    ...(form.hasStop ? { stop_price: typed(draft.stop) } : {}),
    ...(form.hasTrail ? { [draft.trailUnit === "percent" ? "trail_percent" : "trail_price"]: typed(draft.trail) } : {}),
    ...(form.tif === "gtd" ? { good_till: instantOf(draft.until) } : {}),
    ...(form.isExtended ? { extended_hours: true } : {}),
    ...exitFields(draft, form),
    ...workFields(draft, form),
    ...(draft.venue ? { venue: draft.venue } : {}),
  };
}

function exitFields(draft, form) {
  if (form.exits === "none") return {};
  const loss = { stop_price: typed(draft.loss), ...(typed(draft.lossLimit) ? { limit_price: typed(draft.lossLimit) } : {}) };
  return {
    order_class: CLASSES[form.exits],
    ...(form.hasProfit ? { take_profit: { limit_price: typed(draft.profit) } } : {}),
    ...(form.hasLoss ? { stop_loss: loss } : {}),
  };
}

function workFields(draft, form) {
  if (form.algorithm === "none") return {};
  const ends = new Date(Date.now() + 60_000 * (Number.parseInt(draft.minutes, 10) || 0));
  return { algorithm: { name: form.algorithm, ends_at: ends.toISOString() } };
}
