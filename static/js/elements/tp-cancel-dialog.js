// Asks before an order is cancelled, then says where the cancel stands.

import { post } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { make, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { amountText, priceText, typeText } from "../lib/sentences.js";
import { orderText } from "../lib/words.js";

class CancelDialog extends Panel {
  start() {
    this.text = make("p");
    this.problem = make("p", { class: "danger", role: "alert" });
    this.keep = make("button", { class: "button", type: "button" }, "Keep the order");
    this.go = make("button", { class: "button button-danger", type: "button" }, "Cancel the order");
    this.dialog = make(
      "dialog",
      { class: "dialog", "aria-labelledby": "cancel-title" },
      make("div", { class: "dialog-head" }, make("h2", { id: "cancel-title" }, "Cancel this order?")),
      make("div", { class: "dialog-body" }, this.text, this.problem, make("div", { class: "dialog-actions" }, this.keep, this.go)),
    );
    this.replaceChildren(this.dialog);
    this.listen(desk, "cancel", (event) => this.#ask(event.detail));
    this.listen(this.keep, "click", () => this.dialog.close());
    this.listen(this.go, "click", () => this.#cancel());
  }

  #ask(order) {
    this.order = order;
    const filled = numbers.signOf(order.filled_qty) ? ` ${numbers.quantity(order.filled_qty)} of it is filled and stays.` : "";
    const legs = desk.legsOf(order).filter((leg) => leg.status === "held");
    const exits = legs.length ? " Its exits end with it." : "";
    const price = order.type === "market" ? "" : `, ${typeText(order).toLowerCase()} ${priceText(order, desk.priceplaces(order.symbol))}`;
    put(this.text, `${orderText(order, amountText(order))}${price}.${filled}${exits}`);
    put(this.problem, "");
    this.go.disabled = false;
    this.dialog.showModal();
    this.go.focus();
  }

  async #cancel() {
    this.go.disabled = true;
    try {
      desk.takeOrder(await post(`/orders/${this.order.id}/cancel`));
      this.dialog.close();
    } catch (error) {
      put(this.problem, `${error.title ?? "The cancel was not taken"}. ${error.message}`);
      this.go.disabled = false;
    }
  }
}

define("tp-cancel-dialog", CancelDialog);
