// What the person has typed into the ticket; kept over a reload and over a session that ended.

import { chosen, isDraftComplete, orderOf } from "./order-form.js";

const KEY = "portal.draft";
const EMPTY = {
  symbol: "", side: "buy", type: "limit", basis: "quantity", quantity: "", limit: "", stop: "", trail: "", trailUnit: "price",
  tif: "day", until: "", extended: "", exits: "none", profit: "", loss: "", lossLimit: "", algorithm: "none", minutes: "30", venue: "",
};
/** What belongs to one order only: cleared when it is placed, or another symbol is looked at. */
const PRICES = { limit: "", stop: "", trail: "", profit: "", loss: "", lossLimit: "" };

export class Draft {
  constructor() {
    Object.assign(this, EMPTY, recalled());
  }

  change(values) {
    for (const name of Object.keys(EMPTY)) if (name in values) this[name] = values[name];
    const kept = Object.fromEntries(Object.keys(EMPTY).map((name) => [name, this[name]]));
    try {
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // A closed storage only forgets the draft at a reload.
    }
  }

  /** Forget every price: they were another symbol's. */
  clearPrices(values = {}) {
    this.change({ ...PRICES, ...values });
  }

  /** Return the choices as they hold together for an instrument: what does not apply is not there. */
  chosen(instrument) {
    return chosen(this, instrument);
  }

  isComplete(instrument) {
    return isDraftComplete(this, instrument);
  }

  /** Return the draft as the server takes an order. */
  order(desk) {
    return { account_id: desk.config.accountId, symbol: desk.symbol, ...orderOf(this, desk.instrument) };
  }
}

function recalled() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => name in EMPTY && typeof value === "string"));
  } catch {
    return {};
  }
}
