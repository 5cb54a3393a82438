// The order book around the spread; a click puts a price into the ticket and never sends anything.

import { desk } from "../lib/desk.js";
import { make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { isWorking } from "../lib/words.js";

const LEVELS = 10;

class Depth extends Panel {
  start() {
    const { ladder, quality } = this.parts();
    this.quality = quality;
    this.sides = {};
    const side = (name) => {
      const rows = Array.from({ length: LEVELS }, () => this.#row());
      this.sides[name] = rows;
      return make("div", { class: "ladder-side", "data-side": name }, ...rows);
    };
    this.last = make("span", { class: "last price" }, numbers.DASH);
    this.side = make("span", { class: "muted label" }, "Last");
    const middle = make("div", { class: "ladder-mid" }, this.side, this.last);
    ladder.replaceChildren(side("ask"), middle, side("bid"));
    this.listen(desk, "depth quotes orders symbol", () => this.show());
    this.listen(ladder, "click", (event) => {
      const price = event.target.closest("[data-price]")?.dataset.price;
      if (price) desk.emit("price", price);
    });
    this.show();
  }

  #row() {
    const cell = (name, extra = "") => make("span", { class: `${name} ${extra}`.trim() });
    const row = make("button", { class: "ladder-row", type: "button", tabindex: "-1" }, cell("own"), cell("size", "number"), cell("price", "number"), cell("bar"));
    row.cells_ = Object.fromEntries([...row.children].map((child) => [child.classList[0], child]));
    return row;
  }

  show() {
    const { depth, quote } = desk;
    const book = { bid: depth?.bids ?? [], ask: depth?.asks ?? [] };
    const shown = [...book.bid.slice(0, LEVELS), ...book.ask.slice(0, LEVELS)];
    const most = Math.max(...shown.map(([, size]) => numbers.geometry(size)), 0);
    const own = this.#own();
    for (const name of ["ask", "bid"]) {
      this.sides[name].forEach((row, index) => {
        const level = name === "ask" ? book.ask[LEVELS - 1 - index] : book.bid[index];
        this.#showRow(row, level, name, most, own);
      });
    }
    put(this.last, numbers.fixed(quote?.last ?? null, desk.priceplaces(desk.symbol)));
    put(this.side, quote?.synthetic ? "Last (book synthetic)" : "Last");
    mark(this.quality, "hidden", !quote || quote.open !== false);
    put(this.quality, "Closed");
  }

  #showRow(row, level, side, most, own) {
    mark(row, "hidden", !level);
    if (!level) return;
    const [price, size] = level;
    const decimals = desk.priceplaces(desk.symbol);
    const mine = own.get(`${side} ${numbers.fixed(price, decimals)}`);
    put(row.cells_.price, numbers.fixed(price, decimals));
    put(row.cells_.size, numbers.quantity(size));
    put(row.cells_.own, mine ? numbers.quantity(numbers.total(mine)) : "");
    mark(row, "data-own", mine ? "" : null);
    mark(row, "data-price", price);
    mark(row, "aria-label", `${side === "ask" ? "Ask" : "Bid"} ${price}, size ${size}${mine ? `, own ${numbers.total(mine)}` : ""}. Use as limit price`);
    row.cells_.bar.style.width = most ? `${Math.round((100 * numbers.geometry(size)) / most)}%` : "0";
  }

  #own() {
    const own = new Map();
    for (const order of desk.openOrders(desk.symbol).filter(isWorking)) {
      const key = `${order.side === "buy" ? "bid" : "ask"} ${numbers.fixed(order.limit_price, desk.priceplaces(desk.symbol))}`;
      own.set(key, [...(own.get(key) ?? []), order.leaves_qty ?? order.qty]);
    }
    return own;
  }
}

define("tp-depth", Depth);
