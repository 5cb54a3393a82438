// Says across the page that what is shown is not current, and since when; after two seconds, not at every blink.
// Beside it: venues that do not answer, and orders of which nobody knows yet what became of them.

import { desk } from "../lib/desk.js";
import { icon, make, mark } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";
import { amountText } from "../lib/sentences.js";
import { brief, clock, zoneName } from "../lib/time.js";
import { orderText } from "../lib/words.js";

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
    this.listen(desk, "connection notices orders", () => this.show());
    this.every(500, () => this.show());
  }

  show() {
    const lines = [this.#connection(), ...desk.notices.map(noticeLine), unknownLine()].filter(Boolean);
    mark(this, "hidden", !lines.length);
    const said = JSON.stringify(lines);
    if (said === this.shown) return;
    this.shown = said;
    mark(this, "data-level", lines.some((line) => line.level === "danger") ? "danger" : "warn");
    this.replaceChildren(...lines.map((line) => make("div", { class: "banner-line" }, icon(line.icon), make("span", {}, line.text), line.isEnded ? signIn() : null)));
  }

  #connection() {
    const { socket } = desk;
    const words = socket && WORDS[socket.state];
    if (!words || (socket.state !== "ended" && Date.now() - socket.since < AFTER)) return null;
    const isEnded = socket.state === "ended";
    const text = `${words[1]} ${socket.heardAt ? `Last update ${clock(socket.heardAt)} ${zoneName()}.` : ""}`;
    return { icon: words[0], text, level: isEnded || socket.state === "offline" ? "danger" : "warn", isEnded };
  }
}

/** A venue that does not answer: since when, and that nothing new goes there. */
function noticeLine(notice) {
  return { icon: "triangle-alert", text: `${notice.sentence}${notice.since ? ` Since ${brief(notice.since)} ${zoneName()}.` : ""}`, level: "warn" };
}

function unknownLine() {
  const unknown = [...desk.orders.values()].filter((order) => order.outcome === "unknown");
  if (!unknown.length) return null;
  const one = unknown[0];
  const text = unknown.length === 1
    ? `${orderText(one, amountText(one))}: ${one.venue} has not answered. It is being asked; what the order reserved stays reserved.`
    : `${unknown.length} orders: their venues have not answered. They are being asked; what the orders reserved stays reserved.`;
  return { icon: "clock", text, level: "warn" };
}

function signIn() {
  return make("button", { class: "button button-small", type: "button", onclick: () => desk.emit("sign-in") }, "Sign in");
}

define("tp-banner", Banner);
