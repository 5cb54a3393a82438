// The account in one line: what it is worth, what moved, what may still be spent, and how long the session lasts.

import { desk } from "../lib/desk.js";
import { dress, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { countdown, minute, zoneName } from "../lib/time.js";

class AccountStrip extends Panel {
  start() {
    this.cells = this.parts();
    this.listen(desk, "account", () => this.show());
    this.listen(desk, "symbol instruments", () => this.showSession());
    this.every(1000, () => this.showSession());
    if (desk.account) this.show();
  }

  show() {
    const { account } = desk;
    const currency = account.currency ?? this.dataset.currency;
    const decimals = numbers.currencyPlaces(currency);
    const plain = (value) => (value === null || value === undefined ? numbers.DASH : `${numbers.fixed(value, decimals)} ${currency}`);
    put(this.cells.equity, plain(account.equity));
    put(this.cells.power, plain(account.buying_power));
    put(this.cells.cash, plain(account.cash));
    put(this.cells.reserved, plain(account.reserved));
    this.#showSigned(this.cells.day, account.day_pl, decimals);
    this.#showSigned(this.cells.open, account.unrealized_pl, decimals);
  }

  #showSigned(cell, value, decimals) {
    put(cell, value === null || value === undefined ? numbers.DASH : `${numbers.arrow(value)} ${numbers.signed(value, decimals)}`.trim());
    dress(cell, numbers.direction(value));
  }

  showSession() {
    const session = desk.instrument?.session;
    put(this.cells["session-label"], desk.symbol ? `Session ${desk.symbol}` : "Session");
    if (!session) {
      put(this.cells.session, numbers.DASH);
      return;
    }
    const now = Date.now();
    const until = (text) => countdown(new Date(text).getTime() - now);
    if (session.is_open && (!session.closes_at || session.closes_at === session.next_open_at)) put(this.cells.session, "Open, round the clock");
    else if (session.is_open) put(this.cells.session, `Open, closes in ${until(session.closes_at)} (${minute(session.closes_at)} ${zoneName()})`);
    else if (session.next_open_at) put(this.cells.session, `Closed, opens in ${until(session.next_open_at)}`);
    else put(this.cells.session, "Closed");
    const turn = session.is_open ? session.closes_at : session.next_open_at;
    if (turn && new Date(turn).getTime() < now && !this.isAsking) this.#ask();
  }

  /** A session has just begun or ended: ask the server for the next turn. */
  async #ask() {
    this.isAsking = true;
    try {
      await desk.loadInstruments();
    } finally {
      setTimeout(() => { this.isAsking = false; }, 15_000);
    }
  }
}

define("tp-account-strip", AccountStrip);
