// Asks before a position is closed, all are, or every order is cancelled; then says of each what became of it.

import { newId, post } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { isCancelable, isOpen } from "../lib/words.js";

class CloseDialog extends Panel {
  start() {
    this.heading = make("h2", { id: "close-title" });
    this.text = make("p");
    this.quantity = make("input", { class: "input input-number", id: "close-quantity", inputmode: "decimal", maxlength: "27" });
    this.amount = make("div", { class: "field" }, make("label", { for: "close-quantity" }, "Quantity to close"), this.quantity);
    this.first = make("input", { type: "checkbox", id: "close-first" });
    this.firstText = make("span");
    this.firstField = make("label", { class: "check" }, this.first, " ", this.firstText);
    this.problem = make("div", { class: "danger", role: "alert" });
    this.keep = make("button", { class: "button", type: "button" }, "Leave it");
    this.draft = make("button", { class: "button button-quiet", type: "button" }, "Put it into the ticket");
    this.go = make("button", { class: "button button-danger", type: "button" });
    const actions = make("div", { class: "dialog-actions" }, this.draft, this.keep, this.go);
    this.dialog = make("dialog", { class: "dialog", "aria-labelledby": "close-title" }, make("div", { class: "dialog-head" }, this.heading), make("div", { class: "dialog-body" }, this.text, this.amount, this.firstField, this.problem, actions));
    this.replaceChildren(this.dialog);
    this.listen(desk, "close", ({ detail }) => this.#askClose(detail));
    this.listen(desk, "close-all", () => this.#askCloseAll());
    this.listen(desk, "cancel-all", () => this.#askCancelAll());
    this.listen(this.keep, "click", () => this.dialog.close());
    this.listen(this.draft, "click", () => this.#toTicket());
    this.listen(this.quantity, "input", () => this.#check());
    this.listen(this.go, "click", () => this.#send());
  }

  #askClose(position) {
    const held = position.qty.replace("-", "");
    const isShort = numbers.signOf(position.qty) < 0;
    const open = desk.openOrders(position.symbol).length;
    this.position = position;
    this.quantity.value = held;
    this.#open({
      title: `Close ${position.symbol}?`, go: `${isShort ? "Buy back" : "Sell"} ${position.symbol}`, open,
      text: `You hold ${numbers.quantity(position.qty)}. A market order ${isShort ? "buys it back" : "sells it"}; it can do no more than close.`,
      request: () => ["/positions/close", { symbol: position.symbol, qty: numbers.typed(this.quantity.value) }],
    });
  }

  #askCloseAll() {
    this.position = null;
    const symbols = [...desk.positions.keys()].sort();
    this.#open({
      title: "Close all positions?", go: `Close ${symbols.length === 1 ? "one position" : `all ${symbols.length}`}`, open: desk.openOrders().length,
      text: `Market orders close ${symbols.join(", ")}.`, request: () => ["/positions/close", {}],
    });
  }

  #askCancelAll() {
    this.position = null;
    const open = [...desk.orders.values()].filter(isOpen);
    const count = open.filter(isCancelable).length;
    const rest = open.length - count;
    this.#open({
      title: "Cancel all orders?", go: `Cancel ${count === 1 ? "one order" : `all ${count}`}`, open: 0,
      text: `${count === 1 ? "One open order is" : `${count} open orders are`} cancelled; what is filled stays.${rest ? ` ${rest} cannot be cancelled just now.` : ""}`,
      request: () => ["/orders/cancel-all", {}],
    });
  }

  #open({ title, text, go, open, request }) {
    this.request = request;
    this.key = newId();
    put(this.heading, title);
    put(this.text, text);
    put(this.go, go);
    put(this.problem, "");
    put(this.firstText, `Cancel ${open === 1 ? "its open order" : `the ${open} open orders`} first`);
    this.first.checked = open > 0;
    mark(this.firstField, "hidden", !open);
    mark(this.amount, "hidden", !this.position);
    mark(this.draft, "hidden", !this.position);
    this.#check();
    this.dialog.showModal();
    this.go.focus();
  }

  #check() {
    const value = this.position ? numbers.typed(this.quantity.value) : "1";
    const isTooMuch = this.position && value && numbers.compare(value, this.position.qty.replace("-", "")) > 0;
    mark(this.quantity, "aria-invalid", !value || isTooMuch ? "true" : null);
    this.go.disabled = !value || Boolean(isTooMuch);
  }

  async #send() {
    this.go.disabled = true;
    const [path, body] = this.request();
    try {
      const answer = await post(path, { account_id: desk.config.accountId, ...(path.endsWith("close") ? { key: this.key, cancel_orders: this.first.checked && !this.firstField.hidden } : {}), ...body });
      this.#answered(answer.positions ?? answer.orders ?? []);
    } catch (error) {
      this.problem.replaceChildren(make("p", {}, `${error.title ?? "Not done"}. ${error.message}`));
      this.go.disabled = false;
    }
  }

  /** Close when all was taken; else say of each what was not, and let a new request have a new identity. */
  #answered(answers) {
    for (const { order } of answers) if (order) desk.takeOrder(order);
    const failed = answers.filter((answer) => answer.message);
    if (!failed.length) {
      this.dialog.close();
      return;
    }
    const name = (answer) => answer.symbol ?? answer.order?.symbol ?? "";
    this.problem.replaceChildren(make("p", {}, `${answers.length - failed.length} of ${answers.length} done.`), make("ul", {}, ...failed.map((answer) => make("li", {}, `${name(answer)}: ${numbers.readable(answer.message)}`))));
    this.key = newId();
    this.go.disabled = false;
  }

  #toTicket() {
    const { position } = this;
    const side = numbers.signOf(position.qty) > 0 ? "sell" : "buy";
    this.dialog.close();
    desk.emit("ticket", { symbol: position.symbol, side, type: "market", basis: "quantity", exits: "none", quantity: numbers.typed(this.quantity.value) ?? position.qty.replace("-", "") });
  }
}

define("tp-close-dialog", CloseDialog);
