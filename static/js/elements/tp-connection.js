// The connection, in words and an icon, with its latency or the age of what is shown.

import { desk } from "../lib/desk.js";
import { icon, mark, put } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";
import { age } from "../lib/time.js";
import { CONNECTION, CONNECTION_ICONS } from "../lib/words.js";

class Connection extends Panel {
  #shown = "";

  start() {
    this.word = document.createElement("span");
    this.word.dataset.part = "word";
    this.detail = document.createElement("span");
    this.detail.className = "latency";
    this.listen(desk, "connection", () => this.show());
    this.every(1000, () => this.show());
  }

  show() {
    const socket = desk.socket;
    if (!socket) return;
    const state = socket.state;
    if (state !== this.#shown) {
      this.replaceChildren(icon(CONNECTION_ICONS[state]), this.word, this.detail);
      mark(this, "data-state", state);
      mark(document.body, "data-connection", state);
      this.#shown = state;
    }
    put(this.word, CONNECTION[state]);
    const isOld = state === "stale" || state === "reconnecting" || state === "offline";
    if (state === "live" && socket.latency) put(this.detail, `${socket.latency} ms`);
    else if (isOld && socket.silence) put(this.detail, `${age(socket.silence)} old`);
    else put(this.detail, "");
  }
}

define("tp-connection", Connection);
