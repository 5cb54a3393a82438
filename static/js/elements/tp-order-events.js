// An order's events as they come, and its life as a picture; the list from the server stands until the first new one.

import { get } from "../lib/api.js";
import { desk } from "../lib/desk.js";
import { lifePicture } from "../lib/life.js";
import { Panel, define } from "../lib/panel.js";
import { routeTable } from "../lib/route.js";
import { timelineItem } from "../lib/timeline.js";

class OrderEvents extends Panel {
  start() {
    this.list = this.querySelector("ol.timeline");
    this.life = this.querySelector('[data-part="life"]');
    this.listen(desk, "events", ({ detail }) => {
      if (detail.some((event) => event.order_id === this.dataset.orderId)) return this.#load();
      return undefined;
    });
    return this.#load();
  }

  async #load() {
    const answer = await get(`/orders/${this.dataset.orderId}/events`, { signal: this.signal });
    this.life.replaceChildren(...[lifePicture(answer.events), routeTable(answer.events)].filter(Boolean));
    this.list.replaceChildren(...answer.events.map(timelineItem));
  }
}

define("tp-order-events", OrderEvents);
