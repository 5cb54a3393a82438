// What a table shows before it has rows: a skeleton while loading, one sentence and one action when empty.

import { make } from "./dom.js";

export function skeleton(rows = 4) {
  return make("div", { class: "notice", "aria-hidden": "true" }, ...Array.from({ length: rows }, () => make("span", { class: "skeleton skeleton-row" })));
}

export function empty(sentence, action = null, onAction = null) {
  const button = action ? make("button", { class: "button button-small", type: "button", onclick: onAction }, action) : null;
  return make("div", { class: "notice" }, make("p", {}, sentence), button);
}
