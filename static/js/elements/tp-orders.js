// Every order of the account: where it stands, why, and its whole story when opened.

import { get } from "../lib/api.js";
import { empty, skeleton } from "../lib/blank.js";
import { desk } from "../lib/desk.js";
import { Rows, dress, icon, make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { RowCursor } from "../lib/rowkeys.js";
import { brief } from "../lib/time.js";
import { timelineItem } from "../lib/timeline.js";
import { legText, priceText, timeText, typeText } from "../lib/sentences.js";
import { isCancelable, isChangeable, isOpen, reasonText, SIDES, statusText, steps } from "../lib/words.js";

const COLUMNS = [
  ["", "turn"], ["Time", "time"], ["Symbol", "symbol"], ["Side", "side"], ["Filled / Qty", "number quantity"], ["Left", "number left"], ["Type", "type"],
  ["Price", "number limit"], ["Avg price", "number average"], ["TIF", "tif"], ["Status", "status"], ["Reason", "reason"], ["", "act"],
];

class Orders extends Panel {
  start() {
    this.filter = "all";
    this.open = new Set();
    this.replaceChildren(skeleton());
    this.listen(desk, "orders instruments", () => this.show());
    this.listen(desk, "filter", (event) => {
      this.filter = event.detail;
      this.show();
    });
    this.listen(desk, "events", (event) => this.#follow(event.detail));
    this.listen(desk, "row-key", (event) => this.#key(event.detail));
    if (desk.hasSnapshot) this.show();
  }

  show() {
    if (!desk.hasSnapshot) return;
    const orders = this.#shown();
    if (!orders.length) {
      this.#blank();
      return;
    }
    if (!this.body) this.#table();
    this.rows.sync(orders.flatMap((order) => (this.open.has(order.chain_id) ? [order, { detail: order }] : [order])), keyOf);
    this.cursor.show();
  }

  /** Return the orders to show, newest first, each with its exits under it. */
  #shown() {
    const isShown = (order) => this.filter === "all" || isOpen(order);
    const roots = [...desk.orders.values()].filter((order) => !order.leg || !desk.orders.has(order.parent_id));
    roots.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
    return roots.flatMap((root) => {
      const legs = desk.legsOf(root).filter(isShown);
      return legs.length || isShown(root) ? [root, ...legs] : [];
    });
  }

  #blank() {
    this.body = null;
    const act = () => document.querySelector("#ticket-quantity")?.focus();
    this.replaceChildren(this.filter === "open" ? empty("No open orders.") : empty("No orders yet. What you place shows here at once.", "Go to the ticket", act));
  }

  #table() {
    this.body = make("tbody");
    const head = COLUMNS.map(([text, name]) => make("th", { class: name, scope: "col" }, text || make("span", { class: "visually-hidden" }, name === "turn" ? "Story" : "Action")));
    this.replaceChildren(make("table", { class: "table orders-table cards" }, make("thead", {}, make("tr", {}, ...head)), this.body));
    this.rows = new Rows(this.body, (item) => (item.detail ? this.#makeDetail(item.detail) : this.#makeRow(item)), (row, item) => (item.detail ? null : this.#showRow(row, item)));
    this.cursor = new RowCursor(this.body);
    this.body.addEventListener("click", (event) => this.guard(() => this.#click(event)), { signal: this.signal });
  }

  #makeRow(order) {
    const turner = make("button", { class: "turner", type: "button", "aria-expanded": "false", "aria-label": `Story of the order in ${order.symbol}`, "data-do": "turn" }, icon("chevron-right"));
    const row = make("tr", {}, ...COLUMNS.map(([, name]) => make("td", { class: name })));
    row.cells_ = Object.fromEntries(COLUMNS.map(([, name], index) => [name.split(" ").at(-1), row.children[index]]));
    const { turn, status, act } = row.cells_;
    turn.append(turner);
    row.steps_ = make("span", { class: "steps", "aria-hidden": "true" }, make("i"), make("i"), make("i"));
    row.word_ = make("span");
    status.append(row.steps_, " ", row.word_);
    row.change_ = make("button", { class: "button button-small", type: "button", "data-do": "amend" }, "Change");
    row.cancel_ = make("button", { class: "button button-small button-danger", type: "button", "data-do": "cancel" }, "Cancel");
    act.append(make("span", { class: "acts" }, row.change_, row.cancel_));
    return row;
  }

  #showRow(row, order) {
    const cells = row.cells_;
    put(cells.time, brief(order.created_at));
    put(cells.symbol, order.leg ? `\u2514 ${legText(order)}` : order.symbol);
    mark(cells.symbol, "title", order.leg ? `${legText(order)} of an order in ${order.symbol}` : null);
    put(cells.side, `${order.side === "buy" ? "\u25B2" : "\u25BC"} ${SIDES[order.side]}`);
    dress(cells.side, `side ${order.side === "buy" ? "up" : "down"}`);
    // An exit that is held will have the quantity that its entry fills.
    const held = order.status === "held" ? desk.orders.get(order.parent_id) : null;
    const quantity = held?.qty ?? order.qty;
    put(cells.quantity, `${numbers.quantity(order.filled_qty)} / ${quantity ? numbers.quantity(quantity) : numbers.DASH}`);
    mark(cells.quantity, "title", order.notional ? `Ordered for ${numbers.quantity(order.notional)}` : null);
    put(cells.left, isOpen(order) ? numbers.quantity(held?.qty ?? order.leaves_qty) : numbers.DASH);
    put(cells.type, typeText(order));
    put(cells.limit, priceText(order, desk.priceplaces(order.symbol)));
    put(cells.average, numbers.signOf(order.filled_qty) ? numbers.fixed(order.filled_avg_price, desk.priceplaces(order.symbol)) : numbers.DASH);
    put(cells.tif, timeText(order));
    put(row.word_, statusText(order, desk.sessionOf(order)));
    dress(row.word_, order.status === "rejected" ? "danger" : order.outcome === "unknown" ? "warn" : order.status.startsWith("pending_") && order.status !== "pending_new" ? "pending" : "");
    steps(order).forEach((step, index) => {
      const dot = row.steps_.children[index];
      mark(dot, "data-done", step === "done" ? "" : null);
      mark(dot, "data-now", step === "now" ? "" : null);
      mark(dot, "data-end", ["filled", "failed", "gone"].includes(step) ? step : null);
    });
    const why = desk.answers.get(order.chain_id) ?? reasonText(order);
    put(cells.reason, why);
    mark(cells.reason, "title", why || null);
    dress(cells.reason, order.status === "rejected" ? "reason" : "reason soft");
    mark(row.cancel_, "hidden", !isCancelable(order) || desk.config.canTrade === false);
    mark(row.change_, "hidden", !isChangeable(order) || desk.config.canTrade === false);
    mark(row, "data-leg", order.leg || null);
    mark(row, "data-priced", order.limit_price || order.status === "held" ? "" : null);
    mark(row.querySelector(".turner"), "aria-expanded", String(this.open.has(order.chain_id)));
    mark(row, "data-status", order.status);
    mark(row, "data-traded", numbers.signOf(order.filled_qty) ? "" : null);
  }

  #makeDetail(order) {
    const list = make("ol", { class: "timeline" }, make("li", {}, "Loading…"));
    const id = (label, value) => make("div", {}, make("span", { class: "label" }, `${label} `), make("code", {}, value));
    const row = make(
      "tr",
      { class: "detail" },
      make("td", { colspan: String(COLUMNS.length) }, make("div", { class: "detail-grid" }, list, make("div", { class: "ids" }, id("Order", order.id), id("Client order", order.client_order_id), make("a", { href: `/orders/${order.id}` }, "Open the order's page")))),
    );
    row.list_ = list;
    row.orderId_ = order.chain_id;
    this.#fetch(row);
    return row;
  }

  async #fetch(row) {
    try {
      const answer = await get(`/orders/${row.orderId_}/events`, { signal: this.signal });
      row.list_.replaceChildren(...(answer.events ?? answer).map(timelineItem));
    } catch (error) {
      if (error.name === "AbortError") return;
      const retry = make("button", { class: "button button-small", type: "button", onclick: () => this.#fetch(row) }, "Retry");
      row.list_.replaceChildren(make("li", { "data-kind": "bad" }, make("div", {}, `${error.title ?? "The story"} could not be loaded. ${error.requestId ?? ""}`), retry));
    }
  }

  /** New events of an opened order: fetch its story again, worded by the server. */
  #follow(events) {
    for (const id of new Set(events.map((event) => event.order_id))) {
      const row = this.rows?.get(`${id} detail`);
      if (row?.isConnected) this.#fetch(row);
    }
  }

  #click(event) {
    const row = event.target.closest("tr[data-key]:not(.detail)");
    if (!row) return;
    const order = desk.orders.get(row.dataset.key);
    const what = event.target.closest("[data-do]")?.dataset.do;
    this.cursor.set(order.chain_id);
    if (what === "cancel" || what === "amend") desk.emit(what, order);
    else if (what === "turn") this.#turn(order.chain_id);
    else desk.select(order.symbol);
  }

  #turn(id) {
    if (this.open.has(id)) this.open.delete(id);
    else this.open.add(id);
    this.show();
  }

  #key({ view, key }) {
    if (view !== "orders" || !this.cursor || this.closest("[hidden]")) return;
    if (key === "next" || key === "previous") this.cursor.move(key === "next" ? 1 : -1);
    const order = desk.orders.get(this.cursor.key);
    if (key === "cancel" && order && isCancelable(order)) desk.emit("cancel", order);
    if (key === "change" && order && isChangeable(order)) desk.emit("amend", order);
    if (key === "open" && order) this.#turn(order.chain_id);
  }
}

const keyOf = (item) => (item.detail ? `${item.detail.chain_id} detail` : item.chain_id);

define("tp-orders", Orders);
