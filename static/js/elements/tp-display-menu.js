// How the page looks: kept in this browser at once, and with the person on the server.

import { post } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { Panel, define } from "../lib/panel.js";

class DisplayMenu extends Panel {
  start() {
    const root = document.documentElement;
    const menu = this.querySelector("[popover]");
    for (const radio of this.querySelectorAll("input[type=radio]")) radio.checked = root.dataset[radio.name] === radio.value;
    this.zones = this.querySelector("select[name=time_zone]");
    this.listen(this, "change", (event) => (event.target === this.zones ? this.#move(menu.dataset.action) : this.#choose(event.target, menu.dataset.action)));
    this.listen(this.zones, "focus", () => this.#listZones());
    this.listen(menu, "toggle", (event) => event.newState === "open" && this.#place(menu));
  }

  #place(menu) {
    const box = this.querySelector("button").getBoundingClientRect();
    menu.style.insetBlockStart = `${box.bottom + 4}px`;
    menu.style.insetInlineEnd = `${Math.max(8, document.documentElement.clientWidth - box.right)}px`;
  }

  /** List the zones only when somebody wants to choose: there are hundreds. */
  #listZones() {
    if (this.zones.options.length > 1) return;
    const chosen = this.zones.dataset.value;
    const names = new Set(["UTC", chosen, ...Intl.supportedValuesOf("timeZone")]);
    this.zones.replaceChildren(...[...names].sort().map((name) => new Option(name, name, false, name === chosen)));
  }

  async #move(action) {
    await post(action, { time_zone: this.zones.value });
    location.reload();
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
