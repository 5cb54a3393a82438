// An order's title, its live status and facts, its change and its cancel.

import { desk } from "../lib/desk.js";
import { mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { figuresText } from "../lib/preview.js";
import { priceText, timeText, typeText } from "../lib/sentences.js";
import { brief } from "../lib/time.js";
import { isCancelable, isChangeable, statusText } from "../lib/words.js";

const WORDED = { type: typeText, prices: (order) => priceText(order, desk.priceplaces(order.symbol)), filled_avg_price: (order) => numbers.fixed(order.filled_avg_price, desk.priceplaces(order.symbol)), time_in_force: timeText, expires_at: (order) => (order.expires_at ? brief(order.expires_at) : numbers.DASH) };

class OrderHead extends Panel {
  start() {
    this.cells = this.parts();
    for (const figures of document.querySelectorAll(".risk-checks [data-rule]")) put(figures, figuresText(figures.dataset));
    this.listen(desk, "orders", () => this.show());
    this.listen(this.cells.cancel, "click", () => this.order && desk.emit("cancel", this.order));
    this.listen(this.cells.change, "click", () => this.order && desk.emit("amend", this.order));
  }

  get order() {
    return desk.orders.get(this.dataset.orderId) ?? null;
  }

  show() {
    const { order } = this;
    if (!order) return;
    const answer = desk.answers.get(order.chain_id);
    put(this.cells.status, answer ? `${statusText(order)} · ${answer}` : statusText(order));
    mark(this.cells.status, "data-status", order.outcome === "unknown" ? "unknown" : order.status);
    mark(this.cells.cancel, "hidden", !isCancelable(order) || desk.config.canTrade === false);
    mark(this.cells.change, "hidden", !isChangeable(order) || desk.config.canTrade === false);
    if (order.qty) put(this.cells.amount, numbers.quantity(order.qty));
    for (const fact of document.querySelectorAll("[data-fact]")) {
      const name = fact.dataset.fact;
      const value = order[name];
      if (WORDED[name]) put(fact, WORDED[name](order));
      else put(fact, value === null || value === undefined ? numbers.DASH : numbers.quantity(value));
    }
    for (const cell of document.querySelectorAll("[data-status-of]")) {
      const one = desk.orders.get(cell.dataset.statusOf);
      if (one) put(cell, statusText(one));
    }
    for (const cell of document.querySelectorAll("[data-prices-of]")) {
      const one = desk.orders.get(cell.dataset.pricesOf);
      if (one) put(cell, one.type === "market" ? "market" : priceText(one, desk.priceplaces(one.symbol)));
    }
  }
}

define("tp-order-head", OrderHead);
