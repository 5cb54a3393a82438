// One row of a table is the current one: j and k move it, a click sets it.

import { mark } from "./dom.js";

export class RowCursor {
  #body;
  key = null;

  constructor(body) {
    this.#body = body;
  }

  #rows() {
    return [...this.#body.querySelectorAll("tr[data-key]:not(.detail)")];
  }

  get row() {
    return this.#rows().find((row) => row.dataset.key === this.key) ?? null;
  }

  set(key) {
    this.key = key;
    this.show();
  }

  move(step) {
    const rows = this.#rows();
    if (!rows.length) return;
    const now = rows.findIndex((row) => row.dataset.key === this.key);
    const next = now < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, now + step));
    this.set(rows[next].dataset.key);
    rows[next].scrollIntoView({ block: "nearest" });
  }

  show() {
    for (const row of this.#rows()) mark(row, "aria-selected", row.dataset.key === this.key ? "true" : null);
  }
}
