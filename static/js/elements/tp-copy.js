// A button that copies a text, and says so.

import { icon, make } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";

class Copy extends Panel {
  start() {
    const label = `Copy ${this.dataset.label}`;
    this.button = make("button", { class: "button button-quiet button-small", type: "button", "aria-label": label, title: label }, icon("copy"));
    this.replaceChildren(this.button);
    this.listen(this.button, "click", () => this.#copy());
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.dataset.text);
      this.button.replaceChildren(icon("check", "Copied"));
    } catch {
      // The clipboard is closed on plain http: select the text, so that the person can copy it.
      const code = this.parentElement.querySelector("code");
      getSelection().selectAllChildren(code);
    }
  }
}

define("tp-copy", Copy);
