// Orders, positions and fills behind three tabs.

import { desk } from "../lib/desk.js";
import { mark, put } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";
import { isOpen } from "../lib/words.js";

const VIEWS = ["orders", "positions", "fills"];

class Blotter extends Panel {
  start() {
    this.cells = this.parts();
    this.listen(this.cells.tabs, "click", (event) => this.show(event.target.closest("[data-view]")?.dataset.view));
    this.listen(this.cells.tabs, "keydown", (event) => this.#arrow(event));
    this.listen(this.cells.filter, "click", (event) => this.#filter(event.target.closest("[data-filter]")));
    this.listen(this.cells["cancel-all"], "click", () => desk.emit("cancel-all"));
    this.listen(this.cells["close-all"], "click", () => desk.emit("close-all"));
    this.listen(desk, "view", (event) => this.show(event.detail));
    this.listen(desk, "orders positions fills", () => this.#count());
    this.listen(desk, "refused", ({ detail }) => {
      if (detail.ch === "account") throw Object.assign(new Error(detail.message), { title: "The account cannot be followed" });
    });
    this.#count();
  }

  show(view) {
    if (!VIEWS.includes(view)) return;
    for (const name of VIEWS) {
      const tab = this.querySelector(`#tab-${name}`);
      mark(tab, "aria-selected", String(name === view));
      mark(tab, "tabindex", name === view ? null : "-1");
      mark(this.querySelector(`#view-${name}`), "hidden", name !== view);
    }
    mark(this.cells.filter, "hidden", view !== "orders");
    this.dataset.view = view;
    this.#count();
  }

  #arrow(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const now = VIEWS.indexOf(this.querySelector('[role="tab"][aria-selected="true"]').dataset.view);
    const next = VIEWS[(now + step + VIEWS.length) % VIEWS.length];
    this.show(next);
    this.querySelector(`#tab-${next}`).focus();
  }

  #filter(button) {
    if (!button) return;
    for (const other of this.cells.filter.children) mark(other, "aria-pressed", String(other === button));
    desk.emit("filter", button.dataset.filter);
  }

  #count() {
    const open = [...desk.orders.values()].filter(isOpen).length;
    const view = this.dataset.view ?? "orders";
    const canTrade = desk.config.canTrade !== false;
    mark(this.cells["cancel-all"], "hidden", view !== "orders" || !canTrade || !open);
    mark(this.cells["close-all"], "hidden", view !== "positions" || !canTrade || !desk.positions.size);
    put(this.cells["count-orders"], open ? `${open} open` : "");
    put(this.cells["count-positions"], desk.positions.size ? String(desk.positions.size) : "");
    put(this.cells["count-fills"], desk.fills.length ? String(desk.fills.length) : "");
  }
}

define("tp-blotter", Blotter);
