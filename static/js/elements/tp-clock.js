// The time, with the name of its zone.

import { put } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";
import { clock, zoneName } from "../lib/time.js";

class Clock extends Panel {
  start() {
    this.every(1000, () => put(this, `${clock(new Date())} ${zoneName()}`));
  }
}

define("tp-clock", Clock);
