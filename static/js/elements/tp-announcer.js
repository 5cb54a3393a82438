// Two live regions: one polite (fills, status, connection), one alert (rejects, halts). Prices are in neither.

import { desk } from "../lib/desk.js";
import { make } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { amountText } from "../lib/sentences.js";
import { CONNECTION, SIDES, orderText, reasonText, statusText } from "../lib/words.js";

const TOLD = new Set([
  "order.acknowledged", "order.busted", "order.corrected", "order.canceled", "order.expired", "order.cancel_rejected", "order.replaced", "order.replace_rejected",
]);
const ALERTED = new Set(["order.refused", "order.rejected", "order.dropped"]);
const ODD = "order.anomaly";

/** Return what to say of an order: of a request that was refused that it was, else where it stands now. */
function saidOf(type, order, facts) {
  if (type === "order.busted") return `a fill was taken back, ${numbers.quantity(order.filled_qty)} filled`;
  if (type === "order.corrected") return "a fill was corrected";
  if (type === "order.replaced") return `changed, ${statusText(order)}`;
  if (type === "order.replace_rejected") return `change rejected ${facts.text ?? ""}`.trim();
  if (type === "order.cancel_rejected") return `cancel rejected ${facts.text ?? ""}`.trim();
  return statusText(order);
}

class Announcer extends Panel {
  start() {
    this.polite = make("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
    this.alert = make("div", { class: "visually-hidden", role: "alert" });
    this.replaceChildren(this.polite, this.alert);
    this.listen(desk, "events", (event) => this.#tell(event.detail));
    this.listen(desk, "missed", (event) => this.#say(this.polite, `${event.detail.length} fills arrived while you were away.`));
    this.listen(desk, "connection", () => this.#connection());
  }

  #tell(events) {
    for (const { type, order_id: id, facts } of events) {
      const order = desk.orders.get(id);
      if (!order) continue;
      if (type === "order.executed") {
        const did = order.side === "buy" ? "Bought" : "Sold";
        const text = `${did} ${numbers.quantity(facts.fill_quantity)} ${order.symbol} at ${numbers.quantity(facts.fill_price)}.`;
        this.#say(this.polite, `${text} ${numbers.quantity(order.filled_qty)}${order.qty ? ` of ${numbers.quantity(order.qty)}` : ""} filled.`);
      } else if (TOLD.has(type)) this.#say(this.polite, `${orderText(order, amountText(order))}: ${saidOf(type, order, facts)}.`);
      else if (type === ODD) this.#say(this.alert, `${orderText(order, amountText(order))}: something odd was reported. Its story says what.`);
      else if (ALERTED.has(type)) this.#say(this.alert, `${SIDES[order.side]} ${order.symbol} rejected. ${reasonText(order)}`);
    }
  }

  #connection() {
    const state = desk.socket.state;
    if (state === this.told) return;
    if (this.told) this.#say(this.polite, `Connection: ${CONNECTION[state]}.`);
    this.told = state;
  }

  #say(region, text) {
    region.append(make("p", {}, text));
    while (region.children.length > 5) region.firstChild.remove();
  }
}

define("tp-announcer", Announcer);
