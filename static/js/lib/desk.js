// What the workspace knows: filled by the server's frames, read by the panels. It decides nothing.

import { get } from "./api.js";
import { Socket } from "./socket.js";
import { places } from "./numbers.js";
import { isOpen } from "./words.js";

const ORDERS_KEPT = 500;
const FILLS_KEPT = 200;
const QUOTES_A_SECOND = 5;
const LIVE_WITHIN = 6000;
/** What an order's own fields do not say after such an event, so that its row does. */
const SAID = {
  "order.replace_rejected": "Change rejected", "order.replace_refused": "Change refused by risk", "order.cancel_rejected": "Cancel rejected",
  "order.busted": "A fill was taken back", "order.corrected": "A fill was corrected", "order.anomaly": "Something odd was reported; the story says what",
};
const ASKED_ANEW = new Set(["order.replace_requested", "order.replaced", "order.cancel_requested", "order.canceled"]);

class Desk extends EventTarget {
  account = null;
  orders = new Map();
  positions = new Map();
  fills = [];
  quotes = new Map();
  depth = null;
  instruments = new Map();
  symbol = "";
  interval = "1m";
  config = {};
  socket = null;
  hasSnapshot = false;
  notices = [];
  /** What became of the last request for an order, or of its fills, by its chain: gone with the next request. */
  answers = new Map();
  #fillIds = new Set();
  #changed = new Set();
  #isFlushing = false;
  #loading = null;

  /** Begin: `config` comes from the page's own data attributes. */
  open(config) {
    this.config = config;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new Socket(`${scheme}//${location.host}/ws`);
    this.socket.addEventListener("state", () => this.emit("connection"));
    this.socket.addEventListener("frame", (event) => this.#take(event.detail));
    this.socket.addEventListener("again", (event) => event.detail === "candles" && this.emit("candles-missed"));
    this.socket.addEventListener("refused", (event) => this.emit("refused", event.detail));
    if (config.accountId) this.socket.subscribe("account", { account_id: config.accountId }, { awaits: true });
    this.socket.open();
  }

  /** Load the instruments; who asks while they are on their way waits for the same answer. */
  loadInstruments() {
    this.#loading ??= this.#fetchInstruments().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #fetchInstruments() {
    const answer = await get("/prices/instruments");
    const listed = answer.instruments ?? [];
    this.instruments = new Map(listed.map((one) => [one.symbol, one]));
    this.emit("instruments");
    const symbols = [...this.instruments.keys()];
    this.socket.subscribe("quotes", { syms: symbols, rate: QUOTES_A_SECOND });
    const wanted = [this.config.symbol, localStorage.getItem("portal.symbol"), symbols[0]];
    this.select(wanted.find((symbol) => this.instruments.has(symbol)) ?? "");
  }

  /** Look at an instrument: chart, ladder and ticket follow. */
  select(symbol) {
    if (!symbol || symbol === this.symbol || !this.instruments.has(symbol)) return;
    this.symbol = symbol;
    this.depth = null;
    try {
      localStorage.setItem("portal.symbol", symbol);
    } catch {
      // A closed storage only forgets the choice.
    }
    this.socket.subscribe("depth", { sym: symbol });
    this.#subscribeCandles();
    this.emit("symbol");
  }

  showInterval(interval) {
    this.interval = interval;
    this.#subscribeCandles();
  }

  #subscribeCandles() {
    this.socket.subscribe("candles", { sym: this.symbol, interval: this.interval });
  }

  get instrument() {
    return this.instruments.get(this.symbol) ?? null;
  }

  get quote() {
    return this.quotes.get(this.symbol) ?? null;
  }

  get isLive() {
    return this.socket?.state === "live";
  }

  /** Return the session of an order's instrument, where it is known. */
  sessionOf(order) {
    return this.instruments.get(order.symbol)?.session ?? null;
  }

  /** Return the orders that hang on an order: its exits, the take-profit first. */
  legsOf(order) {
    const legs = [...this.orders.values()].filter((one) => one.leg && one.parent_id === order.chain_id);
    return legs.sort((a, b) => (a.leg < b.leg ? 1 : -1));
  }

  /** Return how many decimals an instrument's prices have. */
  priceplaces(symbol) {
    return Math.max(2, places(this.instruments.get(symbol)?.tick_size ?? (this.config.tick || "0.01")));
  }

  /** Return how old a symbol's price is by the server's clock, in milliseconds; null without one, or out of session. */
  priceAge(symbol) {
    const quote = this.quotes.get(symbol);
    if (!quote?.received_at || quote.open === false) return null;
    return Math.max(0, Date.now() + this.socket.clockOffset - Date.parse(quote.received_at));
  }

  /** Tell whether a symbol's price is too old to be called live: the server refuses orders against it. */
  isPriceOld(symbol) {
    const age = this.priceAge(symbol);
    return age !== null && age > LIVE_WITHIN;
  }

  openOrders(symbol) {
    return [...this.orders.values()].filter((order) => isOpen(order) && (!symbol || order.symbol === symbol));
  }

  /** Take an order as a command's answer or a frame brought it; an older one than we hold changes nothing. */
  takeOrder(order) {
    const held = this.orders.get(order.chain_id);
    if (held && (held.event_sequence ?? 0) > (order.event_sequence ?? 0)) return;
    this.orders.set(order.chain_id, order);
    this.#later("orders");
  }

  emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #take(frame) {
    if (frame.ch === "quotes") this.#takeQuotes(frame.quotes);
    else if (frame.ch === "account") this.#takeAccount(frame);
    else if (frame.ch === "depth" && frame.sym === this.symbol) {
      this.depth = frame;
      this.#later("depth");
    } else if (frame.ch === "candles") {
      for (const candle of frame.candles ?? [frame.candle]) this.emit("candle", { ...frame, candle });
    }
  }

  #takeQuotes(quotes) {
    const symbols = Object.keys(quotes ?? {});
    for (const symbol of symbols) this.quotes.set(symbol, quotes[symbol]);
    if (symbols.length) this.#later("quotes");
  }

  #takeAccount(frame) {
    if (frame.type === "snapshot") this.#takeSnapshot(frame);
    if (frame.account) {
      this.account = { ...this.account, ...frame.account };
      this.#later("account");
    }
    if (frame.notices) this.#takeNotices(frame.notices);
    if (frame.type === "snapshot") return;
    for (const order of frame.orders ?? []) this.takeOrder(order);
    this.#takePositions(frame);
    if (frame.events?.length) {
      this.#takeRestated(frame.events);
      this.#takeAnswers(frame.events);
      this.#takeFills(frame.events.filter((event) => event.type === "order.executed").map((event) => this.#fillOf(event)));
      this.emit("events", frame.events);
    }
    this.#trim();
  }

  #takeNotices(notices) {
    if (JSON.stringify(notices) === JSON.stringify(this.notices)) return;
    this.notices = notices;
    this.#later("notices");
  }

  /** Keep why a change or a cancel was refused, and what a venue took back: the order itself does not say. */
  #takeAnswers(events) {
    for (const { type, order_id: id, facts } of events) {
      if (SAID[type]) this.answers.set(id, `${SAID[type]}${facts.text ? `: ${facts.text}` : ""}.`);
      else if (ASKED_ANEW.has(type)) this.answers.delete(id);
    }
  }

  #takeSnapshot(frame) {
    const missed = this.hasSnapshot ? (frame.fills ?? []).filter((fill) => !this.#fillIds.has(fill.id)) : [];
    const orders = new Map((frame.orders ?? []).map((order) => [order.chain_id, order]));
    for (const [id, order] of this.orders) {
      const newer = orders.get(id);
      if (!newer || (order.event_sequence ?? 0) > (newer.event_sequence ?? 0)) orders.set(id, order);
    }
    this.orders = orders;
    this.positions = new Map((frame.positions ?? []).map((position) => [position.symbol, position]));
    this.fills = [];
    this.#fillIds.clear();
    this.#takeFills(frame.fills ?? []);
    this.hasSnapshot = true;
    for (const name of ["orders", "positions", "fills"]) this.#later(name);
    if (missed.length) this.emit("missed", missed);
  }

  #takePositions(frame) {
    if (!frame.positions) return;
    if (frame.type === "valuation") this.positions = new Map(frame.positions.map((one) => [one.symbol, one]));
    for (const position of frame.positions) {
      if (/[1-9]/.test(position.qty)) this.positions.set(position.symbol, position);
      else this.positions.delete(position.symbol);
    }
    this.#later("positions");
  }

  #fillOf(event) {
    const { facts } = event;
    const order = this.orders.get(event.order_id);
    return {
      id: facts.execution_id, order_id: event.order_id, symbol: order?.symbol, side: order?.side, qty: facts.fill_quantity,
      price: facts.fill_price, fee: facts.fee, currency: facts.currency, executed_at: event.valid_at,
    };
  }

  /** A venue took a fill back or changed it: what it was is gone. */
  #takeRestated(events) {
    for (const { type, facts } of events) {
      if (type !== "order.busted" && type !== "order.corrected") continue;
      const index = this.fills.findIndex((fill) => fill.id === facts.ref_execution_id);
      if (index < 0) continue;
      const [was] = this.fills.splice(index, 1);
      if (type === "order.corrected") {
        this.fills.splice(index, 0, { ...was, id: facts.execution_id, qty: facts.fill_quantity, price: facts.fill_price });
        this.#fillIds.add(facts.execution_id);
      }
      this.#later("fills");
    }
  }

  #takeFills(fills) {
    const fresh = fills.filter((fill) => !this.#fillIds.has(fill.id));
    if (!fresh.length) return;
    for (const fill of fresh) this.#fillIds.add(fill.id);
    this.fills = [...fresh, ...this.fills]
      .sort((a, b) => (a.executed_at < b.executed_at ? 1 : -1))
      .slice(0, FILLS_KEPT);
    this.#later("fills");
  }

  #trim() {
    if (this.orders.size <= ORDERS_KEPT) return;
    const done = [...this.orders.values()].filter((order) => !isOpen(order));
    done.sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
    for (const order of done.slice(0, this.orders.size - ORDERS_KEPT)) this.orders.delete(order.chain_id);
  }

  /** Tell the panels once a frame what changed, however many messages brought it; hidden pages too. */
  #later(name) {
    this.#changed.add(name);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    const flush = () => {
      this.#isFlushing = false;
      const names = [...this.#changed];
      this.#changed.clear();
      for (const changed of names) this.emit(changed);
    };
    if (document.visibilityState === "visible") requestAnimationFrame(flush);
    else setTimeout(flush, 250);
  }
}

export const desk = new Desk();
