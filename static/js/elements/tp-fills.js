// Every fill, newest first.

import { empty, skeleton } from "../lib/blank.js";
import { desk } from "../lib/desk.js";
import { Rows, dress, make, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { brief } from "../lib/time.js";
import { SIDES } from "../lib/words.js";

const COLUMNS = [
  ["Time", "time"], ["Symbol", "symbol"], ["Side", "side"], ["Quantity", "number quantity"], ["Price", "number price"],
  ["Fee", "number fee"], ["Order", "order"],
];

class Fills extends Panel {
  start() {
    this.replaceChildren(skeleton());
    this.body = null;
    this.listen(desk, "fills orders", () => this.show());
    if (desk.hasSnapshot) this.show();
  }

  show() {
    if (!desk.hasSnapshot) return;
    if (!desk.fills.length) {
      this.body = null;
      this.replaceChildren(empty("No fills yet.", "Go to the ticket", () => document.querySelector("#ticket-quantity")?.focus()));
      return;
    }
    if (!this.body) {
      this.body = make("tbody");
      const head = COLUMNS.map(([text, name]) => make("th", { class: name, scope: "col" }, text));
      this.replaceChildren(make("table", { class: "table fills-table cards" }, make("thead", {}, make("tr", {}, ...head)), this.body));
      this.rows = new Rows(this.body, (fill) => this.#make(fill), (row, fill) => this.#show(row, fill));
    }
    this.rows.sync(desk.fills, (fill) => fill.id);
  }

  #make(fill) {
    const row = make("tr", {}, ...COLUMNS.map(([, name]) => make("td", { class: name })));
    row.cells_ = Object.fromEntries(COLUMNS.map(([, name], index) => [name.split(" ").at(-1), row.children[index]]));
    row.cells_.order.append(make("a", { href: `/orders/${fill.order_id}` }, "Order"));
    return row;
  }

  #show(row, fill) {
    const cells = row.cells_;
    put(cells.time, brief(fill.executed_at));
    put(cells.symbol, fill.symbol ?? numbers.DASH);
    put(cells.side, `${fill.side === "buy" ? "\u25B2" : "\u25BC"} ${SIDES[fill.side] ?? ""}`);
    dress(cells.side, `side ${fill.side === "buy" ? "up" : "down"}`);
    put(cells.quantity, numbers.quantity(fill.qty));
    put(cells.price, numbers.fixed(fill.price, desk.priceplaces(fill.symbol)));
    put(cells.fee, numbers.fixed(fill.fee ?? "0", 2));
  }
}

define("tp-fills", Fills);
