// An order's events as they come; the list from the server stands until the first new one.

import { get } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { Panel, define } from "../lib/panel.js";
import { timelineItem } from "../lib/timeline.js";

class OrderEvents extends Panel {
  start() {
    this.list = this.querySelector("ol");
    this.listen(desk, "events", ({ detail }) => {
      if (detail.some((event) => event.order_id === this.dataset.orderId)) return this.#load();
      return undefined;
    });
    return this.#load();
  }

  async #load() {
    const answer = await get(`/orders/${this.dataset.orderId}/events`, { signal: this.signal });
    this.list.replaceChildren(...answer.events.map(timelineItem));
  }
}

define("tp-order-events", OrderEvents);
