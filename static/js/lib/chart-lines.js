// The account's own prices in a chart: what its orders wait for, and what its position cost.

import { LineStyle } from "../../vendor/lightweight-charts/lightweight-charts.js";
import { desk } from "./desk.js";
import { colour } from "./dom.js";
import * as numbers from "./numbers.js";
import { legText } from "./sentences.js";
import { isWorking, SIDES } from "./words.js";

/** Return the lines of the symbol that is looked at, by what they stand for; `text` is the price as it was given. */
export function ownLines() {
  const lines = new Map();
  for (const order of desk.openOrders(desk.symbol).filter(isWorking)) {
    for (const { key, price, word } of orderLines(order)) {
      lines.set(key, {
        price: numbers.geometry(price), title: `${word} ${numbers.quantity(order.leaves_qty ?? order.qty)}`, text: price, side: order.side,
        color: colour(order.side === "buy" ? "up" : "down"), lineStyle: order.status === "held" ? LineStyle.SparseDotted : LineStyle.Dashed,
      });
    }
  }
  const cost = desk.positions.get(desk.symbol)?.avg_entry_price;
  if (cost) lines.set("cost", { price: numbers.geometry(cost), title: "Average cost", text: cost, color: colour("info"), lineStyle: LineStyle.Dotted });
  return lines;
}

/** Return the prices that an order waits for, each a line: its limit, its stop, both of a stop limit; a trail has none. */
function orderLines(order) {
  const name = legText(order) || SIDES[order.side];
  const held = order.status === "held" ? ", held," : "";
  const stop = order.stop_price && { key: `${order.chain_id} stop`, price: order.stop_price, word: `${order.leg ? name : `${name} stop`}${held}` };
  const limit = order.limit_price && { key: order.chain_id, price: order.limit_price, word: `${stop ? `${name} limit` : name}${held}` };
  return [stop, limit].filter(Boolean);
}
