// Says across the page that what is shown is not current, and since when; after two seconds, not at every blink.

import { desk } from "../lib/desk.js";
import { icon, make, mark } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";
import { clock, zoneName } from "../lib/time.js";

const AFTER = 2000;
const WORDS = {
  stale: ["clock", "Stale: nothing has arrived for a while. Market orders are locked; cancelling works."],
  reconnecting: ["refresh-cw", "Reconnecting. Orders already sent go on at the venue."],
  resyncing: ["refresh-cw", "Resyncing with the server."],
  offline: ["wifi-off", "Offline. The ticket is locked; your draft is kept."],
  ended: ["lock", "Session ended. Sign in again to go on; your draft is kept."],
};

class Banner extends Panel {
  start() {
    this.listen(desk, "connection", () => this.show());
    this.every(500, () => this.show());
  }

  show() {
    const socket = desk.socket;
    const words = socket && WORDS[socket.state];
    const isDue = words && (socket.state === "ended" || Date.now() - socket.since >= AFTER);
    mark(this, "hidden", !isDue);
    if (!isDue) {
      this.shown = "";
      return;
    }
    const text = `${words[1]} ${socket.heardAt ? `Last update ${clock(socket.heardAt)} ${zoneName()}.` : ""}`;
    if (text === this.shown) return;
    this.shown = text;
    mark(this, "data-level", socket.state === "offline" || socket.state === "ended" ? "danger" : "warn");
    this.replaceChildren(icon(words[0]), make("span", {}, text));
    if (socket.state === "ended") {
      this.append(
        make("span", { class: "spread" }),
        make("button", { class: "button button-small", type: "button", onclick: () => desk.emit("sign-in") }, "Sign in"),
      );
    }
  }
}

define("tp-banner", Banner);
