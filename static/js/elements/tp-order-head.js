// An order's title, its live status, and its cancel.

import { desk } from "../lib/desk.js";
import { mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { isCancelable, statusText } from "../lib/words.js";

class OrderHead extends Panel {
  start() {
    this.cells = this.parts();
    this.listen(desk, "orders", () => this.show());
    this.listen(this.cells.cancel, "click", () => this.order && desk.emit("cancel", this.order));
  }

  get order() {
    return desk.orders.get(this.dataset.orderId) ?? null;
  }

  show() {
    const { order } = this;
    if (!order) return;
    put(this.cells.status, statusText(order));
    mark(this.cells.status, "data-status", order.status);
    mark(this.cells.cancel, "hidden", !isCancelable(order) || desk.config.canTrade === false);
    for (const fact of document.querySelectorAll("[data-fact]")) {
      const value = order[fact.dataset.fact];
      put(fact, value === null || value === undefined ? numbers.DASH : numbers.quantity(value));
    }
  }
}

define("tp-order-head", OrderHead);
