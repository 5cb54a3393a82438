// The cheat sheet of keys, where each can be changed.

import { desk } from "../lib/desk.js";
import { icon, make, put } from "../lib/dom.js";
import { ACTIONS, FIXED, keysOf, remap, resetKeys } from "../lib/keys.js";
import { Panel, define } from "../lib/panel.js";

class KeyHelp extends Panel {
  start() {
    this.list = make("div", { class: "keys-list" });
    this.note = make("p", { class: "muted", role: "status" }, "Keys do nothing while you type in a field.");
    const close = make("button", { class: "button button-quiet button-icon", type: "button", "aria-label": "Close" }, icon("x"));
    const reset = make("button", { class: "button button-small", type: "button" }, "Reset all");
    this.dialog = make(
      "dialog",
      { class: "dialog", "aria-labelledby": "keys-title" },
      make("div", { class: "dialog-head" }, make("h2", { id: "keys-title" }, "Keys"), close),
      make("div", { class: "dialog-body" }, this.list, this.note, make("div", { class: "dialog-actions" }, reset)),
    );
    this.replaceChildren(this.dialog);
    this.listen(close, "click", () => this.dialog.close());
    this.listen(reset, "click", () => {
      resetKeys();
      this.#show();
    });
    this.listen(desk, "keys", () => this.#open());
    this.listen(document, "keydown", (event) => this.#learn(event));
    this.listen(this.dialog, "close", () => { this.learning = null; });
  }

  #open() {
    this.#show();
    this.dialog.showModal();
  }

  #show() {
    const keys = (text) => make("span", {}, ...text.split(" ").flatMap((key) => [make("kbd", {}, key), " "]));
    const row = (action) => [
      make("span", {}, action.text),
      keys(keysOf(action)),
      make("button", { class: "button button-small", type: "button", "aria-label": `Change the key for: ${action.text}`, onclick: () => this.#ask(action) }, "Change"),
    ];
    const fixed = (one) => [make("span", {}, one.text), keys(one.keys), make("span")];
    this.list.replaceChildren(...ACTIONS.flatMap(row), ...FIXED.flatMap(fixed));
  }

  #ask(action) {
    this.learning = action;
    put(this.note, `Press the new key for: ${action.text}`);
  }

  #learn(event) {
    if (!this.learning || event.key.length !== 1 || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const holder = remap(this.learning, event.key.toLowerCase());
    put(this.note, holder ? `${event.key} is taken by: ${holder.text}` : "Changed.");
    if (!holder) this.learning = null;
    this.#show();
  }
}

define("tp-key-help", KeyHelp);
