// How the page looks: kept in this browser at once, and with the person on the server.

import { post } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { Panel, define } from "../lib/panel.js";

class DisplayMenu extends Panel {
  start() {
    const root = document.documentElement;
    const menu = this.querySelector("[popover]");
    for (const radio of this.querySelectorAll("input[type=radio]")) radio.checked = root.dataset[radio.name] === radio.value;
    this.listen(this, "change", (event) => this.#choose(event.target, menu.dataset.action));
    this.listen(menu, "toggle", (event) => event.newState === "open" && this.#place(menu));
  }

  #place(menu) {
    const box = this.querySelector("button").getBoundingClientRect();
    menu.style.insetBlockStart = `${box.bottom + 4}px`;
    menu.style.insetInlineEnd = `${Math.max(8, document.documentElement.clientWidth - box.right)}px`;
  }

  async #choose(radio, action) {
    document.documentElement.dataset[radio.name] = radio.value;
    desk.emit("look");
    try {
      localStorage.setItem(`portal.${radio.name}`, radio.value);
    } catch {
      // The server keeps it too.
    }
    try {
      await post(action, { [radio.name]: radio.value });
    } catch (error) {
      console.warn("The display setting is kept in this browser only.", error.message);
    }
  }
}

define("tp-display-menu", DisplayMenu);
