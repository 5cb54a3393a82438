// Changes an order's terms: asks the venue, and says where the change stands until it answers.

import { post } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { offered, rules } from "../lib/order-rules.js";
import { Panel, define } from "../lib/panel.js";
import { amountText, priceText, typeText } from "../lib/sentences.js";
import { instantOf, wallText, zoneName } from "../lib/time.js";
import { orderText } from "../lib/words.js";

const TIMES = { day: "Day", gtc: "Good till cancelled", gtd: "Good till date" };
const ANSWERS = new Set(["order.replaced", "order.replace_rejected"]);

class AmendDialog extends Panel {
  start() {
    this.text = make("p");
    this.note = make("p", { class: "muted" });
    this.problem = make("div", { class: "danger", role: "alert" });
    this.state = make("p", { role: "status" });
    this.fields = make("div", { class: "amend-fields" });
    this.keep = make("button", { class: "button", type: "button" }, "Leave it as it is");
    this.go = make("button", { class: "button button-primary", type: "submit" }, "Ask for the change");
    this.form = make("form", { class: "dialog-body", novalidate: true, autocomplete: "off" }, this.text, this.fields, this.note, this.problem, this.state, make("div", { class: "dialog-actions" }, this.keep, this.go));
    this.dialog = make("dialog", { class: "dialog", "aria-labelledby": "amend-title" }, make("div", { class: "dialog-head" }, make("h2", { id: "amend-title" }, "Change this order")), this.form);
    this.replaceChildren(this.dialog);
    this.listen(desk, "amend", (event) => this.#ask(event.detail));
    this.listen(desk, "events", (event) => this.#follow(event.detail));
    this.listen(this.keep, "click", () => this.dialog.close());
    this.listen(this.form, "input", () => this.#check());
    this.listen(this.form, "submit", (event) => {
      event.preventDefault();
      return this.#send();
    });
  }

  #ask(order) {
    this.order = order;
    const decimals = desk.priceplaces(order.symbol);
    const filled = numbers.signOf(order.filled_qty) ? ` ${numbers.quantity(order.filled_qty)} of it is filled; the quantity is the whole order's.` : "";
    put(this.text, `${orderText(order, amountText(order))}, ${typeText(order).toLowerCase()} ${priceText(order, decimals)}.${filled}`);
    put(this.note, "The larger of before and after stays reserved until the venue answers.");
    this.#say("");
    put(this.problem, "");
    this.inputs = new Map();
    this.fields.replaceChildren(...this.#make(order));
    this.#check();
    this.dialog.showModal();
    this.fields.querySelector("input")?.select();
  }

  /** Return the fields of what this order has and a venue can change. */
  #make(order) {
    const wanted = [
      [!order.notional && !order.leg, "qty", "Quantity", order.qty], [order.limit_price, "limit_price", "Limit price", order.limit_price],
      [order.stop_price, "stop_price", "Stop price", order.stop_price],
      [order.trail_price, "trail", "Trail by", order.trail_price], [order.trail_percent, "trail", "Trail by, in percent", order.trail_percent],
    ];
    const fields = wanted.filter(([applies]) => applies).map(([, name, label, value]) => this.#amount(name, label, value));
    if (rules.resting_times.includes(order.time_in_force) && !order.leg) fields.push(...this.#times(order));
    return fields;
  }

  #amount(name, label, value) {
    const input = make("input", { class: "input input-number", inputmode: "decimal", maxlength: "27", id: `amend-${name}`, value });
    this.inputs.set(name, { input, was: value });
    return make("div", { class: "field" }, make("label", { for: `amend-${name}` }, label), input);
  }

  #times(order) {
    const now = order.good_till ? "gtd" : order.time_in_force;
    this.tif = make("select", { class: "select", id: "amend-tif" }, ...offered(rules.resting_times).map((value) => make("option", { value, selected: value === now }, TIMES[value])));
    this.until = make("input", { class: "input", type: "datetime-local", id: "amend-until", value: wallText(order.good_till ?? new Date(Date.now() + 7 * 86_400_000)) });
    this.untilField = make("div", { class: "field" }, make("label", { for: "amend-until" }, `Good till, ${zoneName()}`), this.until);
    this.timeWas = `${now} ${now === "gtd" ? this.until.value : ""}`;
    return [make("div", { class: "field" }, make("label", { for: "amend-tif" }, "Time in force"), this.tif), this.untilField];
  }

  /** Return what was changed, as the server takes it; null when something typed is no amount. */
  #changes() {
    const changes = {};
    for (const [name, { input, was }] of this.inputs) {
      const value = numbers.typed(input.value);
      mark(input, "aria-invalid", value ? null : "true");
      if (!value) return null;
      if (numbers.compare(value, was) !== 0) changes[name] = value;
    }
    if (this.fields.contains(this.tif)) {
      const isDated = this.tif.value === "gtd";
      mark(this.untilField, "hidden", !isDated);
      const ends = isDated ? instantOf(this.until.value) : null;
      if (isDated && !ends) return null;
      if (`${this.tif.value} ${isDated ? this.until.value : ""}` !== this.timeWas) Object.assign(changes, { time_in_force: isDated ? "gtc" : this.tif.value }, isDated ? { good_till: ends } : {});
    }
    return changes;
  }

  #check() {
    const changes = this.#changes();
    this.go.disabled = this.isWaiting || !changes || !Object.keys(changes).length;
  }

  async #send() {
    const changes = this.#changes();
    if (!changes || !Object.keys(changes).length || this.isWaiting) return;
    put(this.problem, "");
    this.#say("Sending…", true);
    try {
      const order = await post(`/orders/${this.order.id}/amend`, changes);
      if (this.isWaiting) this.#say(`Change pending: waiting for ${order.venue}. You may close this; the order's row follows.`, true);
      desk.takeOrder(order);
    } catch (error) {
      this.#say("");
      this.#refuse(error);
    }
  }

  #refuse(error) {
    const reasons = (error.reasons ?? []).map((reason) => numbers.readable(reason.sentence || reason.message || "")).filter(Boolean);
    this.problem.replaceChildren(make("strong", {}, error.title ?? "Not changed"), ...(reasons.length ? reasons : [error.message]).map((text) => make("p", {}, text)));
  }

  /** The venue's answer comes by push. */
  #follow(events) {
    const answer = this.dialog.open && this.isWaiting ? events.find((event) => event.order_id === this.order.chain_id && ANSWERS.has(event.type)) : null;
    if (!answer) return;
    this.#say("");
    if (answer.type === "order.replaced") this.dialog.close();
    else this.#refuse({ title: "The venue rejected the change", message: `${answer.facts.text || "It gave no reason"}. The order stays as it was.` });
  }

  #say(text, isWaiting = false) {
    this.isWaiting = isWaiting;
    put(this.state, text);
    put(this.keep, isWaiting ? "Close" : "Leave it as it is");
    if (this.inputs) this.#check();
  }
}

define("tp-amend-dialog", AmendDialog);
