// The instruments with their live prices; a click looks at one.

import { desk } from "../lib/desk.js";
import { Rows, dress, make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";

class Watchlist extends Panel {
  start() {
    const { rows, search } = this.parts();
    this.body = rows;
    this.rows = new Rows(rows, (one) => this.#make(one), (row, one) => this.#show(row, one));
    this.listen(desk, "instruments", () => this.#list());
    this.listen(desk, "symbol", () => this.#list());
    this.listen(desk, "quotes", () => this.#list());
    this.every(2000, () => this.#list());
    this.listen(rows, "click", (event) => desk.select(event.target.closest("tr[data-key]")?.dataset.key));
    this.listen(search, "click", () => desk.emit("search"));
    if (desk.instruments.size) this.#list();
    else return desk.loadInstruments();
    return undefined;
  }

  #list() {
    if (!desk.instruments.size) return;
    for (const blank of this.body.querySelectorAll(".blank")) blank.remove();
    this.rows.sync([...desk.instruments.values()], (one) => one.symbol);
  }

  #make(one) {
    const cell = (name) => make("td", { class: "number" }, make("span", { "data-cell": name }));
    const button = make("button", { class: "row-button", type: "button", title: one.name }, one.symbol);
    const row = make("tr", {}, make("td", { class: "symbol" }, button), cell("last"), cell("change"));
    row.cells_ = Object.fromEntries([...row.querySelectorAll("[data-cell]")].map((found) => [found.dataset.cell, found]));
    return row;
  }

  #show(row, one) {
    const quote = desk.quotes.get(one.symbol);
    const isChosen = one.symbol === desk.symbol;
    mark(row, "aria-selected", isChosen ? "true" : null);
    mark(row.querySelector("button"), "aria-current", isChosen ? "true" : null);
    const last = quote?.last ?? one.last ?? null;
    mark(row, "data-old", quote && !desk.isPriceOld(one.symbol) ? null : "");
    put(row.cells_.last, numbers.fixed(last, desk.priceplaces(one.symbol)));
    const change = quote?.change_percent;
    put(row.cells_.change, change ? `${numbers.arrow(change)} ${numbers.signed(change, 2)}%` : numbers.DASH);
    dress(row.cells_.change, numbers.direction(change));
    this.#tint(row, last);
  }

  /** Colour the last price by its last move, with no flashing. */
  #tint(row, last) {
    if (row.last_ && last && row.last_ !== last) {
      dress(row.cells_.last, numbers.compare(last, row.last_) > 0 ? "tick-up" : "tick-down");
    }
    row.last_ = last;
  }
}

define("tp-watchlist", Watchlist);
