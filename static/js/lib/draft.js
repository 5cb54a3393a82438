// What the person has typed into the ticket; kept over a reload and over a session that ended.

import { typed } from "./numbers.js";

const KEY = "portal.draft";
const EMPTY = { symbol: "", side: "buy", type: "limit", quantity: "", limit: "", tif: "day" };

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

  get isComplete() {
    return typed(this.quantity) !== null && (this.type === "market" || typed(this.limit) !== null);
  }

  /** Return the draft as the server takes an order. */
  order(desk) {
    return {
      account_id: desk.config.accountId,
      symbol: desk.symbol,
      side: this.side,
      type: this.type,
      time_in_force: this.tif,
      qty: typed(this.quantity),
      ...(this.type === "limit" ? { limit_price: typed(this.limit) } : {}),
    };
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
