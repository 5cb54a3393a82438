// What the account holds, at what cost, and what it is worth now.

import { empty, skeleton } from "../lib/blank.js";
import { desk } from "../lib/desk.js";
import { Rows, dress, make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { RowCursor } from "../lib/rowkeys.js";
import { brief } from "../lib/time.js";

const COLUMNS = [
  ["Symbol", "symbol"], ["Quantity", "number quantity"], ["Average cost", "number cost"], ["Price", "number price"],
  ["Market value", "number value"], ["Open P&L", "number open"], ["Open %", "number share"], ["Day P&L", "number day"],
  ["Realised P&L", "number realised"], ["", "act"],
];

class Positions extends Panel {
  start() {
    this.replaceChildren(skeleton());
    this.body = null;
    this.listen(desk, "positions", () => this.show());
    this.listen(desk, "row-key", ({ detail }) => {
      if (detail.view === "positions" && this.cursor && (detail.key === "next" || detail.key === "previous")) this.cursor.move(detail.key === "next" ? 1 : -1);
    });
    if (desk.hasSnapshot) this.show();
  }

  show() {
    if (!desk.hasSnapshot) return;
    const positions = [...desk.positions.values()].sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
    if (!positions.length) {
      this.body = null;
      this.replaceChildren(empty("No positions. A fill opens one.", "Go to the ticket", () => document.querySelector("#ticket-quantity")?.focus()));
      return;
    }
    if (!this.body) this.#table();
    this.rows.sync(positions, (position) => position.symbol);
    this.cursor.show();
  }

  #table() {
    this.body = make("tbody");
    const head = COLUMNS.map(([text, name]) => make("th", { class: name, scope: "col" }, text || make("span", { class: "visually-hidden" }, "Action")));
    this.replaceChildren(make("table", { class: "table positions-table cards" }, make("thead", {}, make("tr", {}, ...head)), this.body));
    this.rows = new Rows(this.body, (one) => this.#make(one), (row, one) => this.#show(row, one));
    this.cursor = new RowCursor(this.body);
    this.body.addEventListener("click", (event) => this.guard(() => this.#click(event)), { signal: this.signal });
  }

  #make() {
    const row = make("tr", {}, ...COLUMNS.map(([, name]) => make("td", { class: name })));
    row.cells_ = Object.fromEntries(COLUMNS.map(([, name], index) => [name.split(" ").at(-1), row.children[index]]));
    row.cells_.act.append(make("button", { class: "button button-small", type: "button", "data-do": "close", title: "Close this position; asks first" }, "Close…"));
    return row;
  }

  #show(row, position) {
    const cells = row.cells_;
    const decimals = desk.priceplaces(position.symbol);
    const money = numbers.currencyPlaces(position.currency);
    put(cells.symbol, position.symbol);
    mark(cells.act.firstChild, "hidden", desk.config.canTrade === false);
    put(cells.quantity, numbers.quantity(position.qty));
    put(cells.cost, position.avg_entry_price ? numbers.fixed(position.avg_entry_price, decimals) : numbers.DASH);
    put(cells.price, position.current_price ? numbers.fixed(position.current_price, decimals) : numbers.DASH);
    mark(cells.price, "data-old", position.is_live === false ? "" : null);
    mark(cells.price, "title", position.is_live === false ? `Last known price, ${brief(position.price_at)}` : null);
    put(cells.value, position.market_value ? numbers.fixed(position.market_value, money) : numbers.DASH);
    this.#signed(cells.open, "number open", position.unrealized_pl, money);
    this.#signed(cells.day, "number day", position.day_pl, money);
    this.#signed(cells.realised, "number realised", position.realized_pl, money);
    const share = position.unrealized_plpc;
    put(cells.share, share ? `${numbers.arrow(share)} ${numbers.percentage(share)}`.trim() : numbers.DASH);
    dress(cells.share, `number share ${numbers.direction(share)}`);
  }

  #signed(cell, name, value, decimals) {
    put(cell, value === null || value === undefined ? numbers.DASH : `${numbers.arrow(value)} ${numbers.signed(value, decimals)}`.trim());
    dress(cell, `${name} ${numbers.direction(value)}`);
  }

  #click(event) {
    const row = event.target.closest("tr[data-key]");
    if (!row) return;
    const position = desk.positions.get(row.dataset.key);
    this.cursor.set(position.symbol);
    desk.select(position.symbol);
    if (event.target.closest("[data-do]")) desk.emit("close", position);
  }
}

define("tp-positions", Positions);
