// The order book around the spread; a click puts a price into the ticket and never sends anything.

import { desk } from "../lib/desk.js";
import { make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { isResting } from "../lib/words.js";

const MOST_LEVELS = 20;

class Depth extends Panel {
  start() {
    const { ladder, quality } = this.parts();
    this.quality = quality;
    this.ladder = ladder;
    this.every(2000, () => this.show());
    this.sides = {};
    const side = (name) => {
      const rows = Array.from({ length: MOST_LEVELS }, () => this.#row());
      this.sides[name] = rows;
      return make("div", { class: "ladder-side", "data-side": name }, ...rows);
    };
    this.last = make("span", { class: "last price" }, numbers.DASH);
    this.side = make("span", { class: "muted label" }, "Last");
    const middle = make("div", { class: "ladder-mid" }, this.side, this.last);
    ladder.replaceChildren(side("ask"), middle, side("bid"));
    this.levels = 10;
    this.listen(desk, "depth quotes orders symbol", () => this.show());
    const watcher = new ResizeObserver(() => this.guard(() => this.#fit(ladder, middle)));
    watcher.observe(ladder);
    this.signal.addEventListener("abort", () => watcher.disconnect());
    this.listen(ladder, "click", (event) => {
      const price = event.target.closest("[data-price]")?.dataset.price;
      if (price) desk.emit("price", price);
    });
    this.show();
  }

  /** Show as many levels as fit whole. */
  #fit(ladder, middle) {
    const row = matchMedia("(max-width: 719px)").matches ? 32 : 24;
    const room = (ladder.clientHeight - middle.offsetHeight) / 2;
    const levels = Math.max(1, Math.min(MOST_LEVELS, Math.floor(room / row)));
    if (levels === this.levels) return;
    this.levels = levels;
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
    const own = this.#own();
    const book = { bid: this.#levels("bid", depth?.bids ?? [], own), ask: this.#levels("ask", depth?.asks ?? [], own) };
    const sizes = [...book.bid, ...book.ask].map(([, size]) => numbers.geometry(size ?? "0"));
    const most = Math.max(...sizes, 0);
    for (const name of ["ask", "bid"]) {
      this.sides[name].forEach((row, index) => {
        const level = name === "ask" ? book.ask[MOST_LEVELS - 1 - index] : book.bid[index];
        this.#showRow(row, level, name, most, own);
      });
    }
    put(this.last, numbers.fixed(quote?.last ?? null, desk.priceplaces(desk.symbol)));
    put(this.side, quote?.synthetic ? "Last (book synthetic)" : "Last");
    const quality = quote?.open === false ? "Closed" : desk.isPriceOld(desk.symbol) ? "Old" : "";
    mark(this.quality, "hidden", !quality);
    put(this.quality, quality);
    mark(this.ladder, "data-old", quality ? "" : null);
  }

  /** Return a side from the best price on; an own order between the book's prices has a row of its own. */
  #levels(side, levels, own) {
    const decimals = desk.priceplaces(desk.symbol);
    const known = new Set(levels.map(([price]) => numbers.fixed(price, decimals)));
    const extra = [...own.values()].filter((one) => one.side === side && !known.has(one.shown)).map((one) => [one.price, null]);
    const better = side === "bid" ? -1 : 1;
    return [...levels, ...extra].sort(([a], [b]) => better * numbers.compare(a, b)).slice(0, this.levels);
  }

  #showRow(row, level, side, most, own) {
    mark(row, "hidden", !level);
    if (!level) return;
    const [price, size] = level;
    const decimals = desk.priceplaces(desk.symbol);
    const mine = own.get(`${side} ${numbers.fixed(price, decimals)}`)?.left;
    put(row.cells_.price, numbers.fixed(price, decimals));
    put(row.cells_.size, size === null ? numbers.DASH : numbers.quantity(size));
    put(row.cells_.own, mine ? numbers.quantity(numbers.total(mine)) : "");
    mark(row, "data-own", mine ? "" : null);
    mark(row, "data-price", price);
    mark(row, "aria-label", `${side === "ask" ? "Ask" : "Bid"} ${price}, size ${size ?? "unknown"}${mine ? `, own ${numbers.total(mine)}` : ""}. Use as limit price`);
    row.cells_.bar.style.width = most && size !== null ? `${Math.round((100 * numbers.geometry(size)) / most)}%` : "0";
  }

  #own() {
    const own = new Map();
    for (const order of desk.openOrders(desk.symbol).filter(isResting)) {
      const side = order.side === "buy" ? "bid" : "ask";
      const shown = numbers.fixed(order.limit_price, desk.priceplaces(desk.symbol));
      const key = `${side} ${shown}`;
      const left = [...(own.get(key)?.left ?? []), order.leaves_qty ?? order.qty];
      own.set(key, { side, shown, price: order.limit_price, left });
    }
    return own;
  }
}

define("tp-depth", Depth);
