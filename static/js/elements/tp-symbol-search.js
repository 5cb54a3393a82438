// Finds an instrument by symbol or name.

import { desk } from "../lib/desk.js";
import { make, mark } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";

const SHOWN = 50;

class SymbolSearch extends Panel {
  start() {
    this.input = make("input", { class: "input", type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "search-list", "aria-autocomplete": "list", "aria-label": "Symbol or name", placeholder: "Symbol or name", spellcheck: "false", autocapitalize: "characters" });
    this.list = make("div", { class: "search-list", id: "search-list", role: "listbox", "aria-label": "Instruments" });
    this.dialog = make("dialog", { class: "dialog", "aria-label": "Symbol search" }, make("div", { class: "dialog-body" }, this.input, this.list));
    this.replaceChildren(this.dialog);
    this.listen(desk, "search", () => this.#open());
    this.listen(this.input, "input", () => this.#find());
    this.listen(this.input, "keydown", (event) => this.#key(event));
    this.listen(this.list, "click", (event) => this.#choose(event.target.closest("[data-symbol]")?.dataset.symbol));
    this.listen(this.dialog, "click", (event) => event.target === this.dialog && this.dialog.close());
  }

  #open() {
    if (document.querySelector("dialog:modal:not(#sheet)")) return;
    this.input.value = "";
    this.#find();
    this.dialog.showModal();
    this.input.focus();
  }

  #find() {
    const wanted = this.input.value.trim().toUpperCase();
    const rank = (one) => (one.symbol.startsWith(wanted) ? 0 : one.symbol.includes(wanted) ? 1 : one.name.toUpperCase().includes(wanted) ? 2 : 3);
    const found = [...desk.instruments.values()].filter((one) => rank(one) < 3).sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
    this.at = 0;
    this.list.replaceChildren(
      ...found.map((one, index) => make("div", { role: "option", id: `found-${index}`, "data-symbol": one.symbol }, make("strong", {}, one.symbol), make("span", { class: "name" }, one.name))),
    );
    if (!found.length) this.list.replaceChildren(make("p", { class: "muted" }, "No instrument has that symbol or name."));
    this.#point();
  }

  #point() {
    [...this.list.querySelectorAll("[role=option]")].forEach((option, index) => {
      mark(option, "aria-selected", String(index === this.at));
      if (index === this.at) {
        option.scrollIntoView({ block: "nearest" });
        mark(this.input, "aria-activedescendant", option.id);
      }
    });
  }

  #key(event) {
    const options = this.list.querySelectorAll("[role=option]");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      event.preventDefault();
      this.at = (this.at + step + options.length) % options.length;
      this.#point();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#choose(options[this.at]?.dataset.symbol);
    }
  }

  #choose(symbol) {
    if (!symbol) return;
    this.dialog.close();
    desk.select(symbol);
  }
}

define("tp-symbol-search", SymbolSearch);
