// The ticket: a draft, its preview, a review, one command. Nothing is sent but by Confirm, and only once.

import { desk } from "../lib/desk.js";
import { dress, mark, put } from "../lib/dom.js";
import { Draft } from "../lib/draft.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { Placing } from "../lib/placing.js";
import { placingMessage } from "../lib/placing-message.js";
import { showPreview, Preview } from "../lib/preview.js";
import { amountText, orderSentence } from "../lib/sentences.js";
import { fillTicket } from "../lib/ticket-fields.js";
import { wallText } from "../lib/time.js";

const DOUBLE_CLICK = 400;

class Ticket extends Panel {
  start() {
    this.cells = this.parts();
    this.draft = new Draft();
    this.placing = new Placing();
    this.preview = new Preview((answer, problem) => this.guard(() => this.#showPreview(answer, problem)));
    this.reviewedAt = 0;
    this.#listenToFields();
    this.#listenToDesk();
    this.listen(this.cells.review, "click", () => this.review());
    this.listen(this.cells.back, "click", (event) => this.#isSecondHalf(event) || this.#edit());
    this.listen(this.cells.confirm, "click", (event) => this.#confirm(event));
    this.listen(this.placing, "change", () => this.#showPlacing());
    this.listen(document, "keydown", (event) => this.#shortcut(event));
    this.#fill();
    this.#edit({ focus: false });
    if (this.placing.recall()) this.placing.check();
  }

  stop() {
    this.preview?.stop();
  }

  #listenToFields() {
    const { side, type, form } = this.cells;
    const press = (group, name) =>
      this.listen(group, "click", (event) => {
        const value = event.target.closest("button")?.dataset[name];
        if (value) this.#change({ [name]: value });
      });
    press(side, "side");
    press(type, "type");
    this.listen(form, "input", (event) => this.#typed(event.target));
    this.listen(form, "submit", (event) => event.preventDefault());
    this.listen(this.cells.basis, "click", () => this.#change({ basis: this.draft.basis === "amount" ? "quantity" : "amount", quantity: "" }));
    this.listen(this.cells["pick-bid"], "click", () => this.#pick(desk.quote?.bid));
    this.listen(this.cells["pick-ask"], "click", () => this.#pick(desk.quote?.ask));
  }

  #typed(field) {
    const name = field.dataset.field;
    if (!name) return;
    const value = field.type === "checkbox" ? (field.checked ? "yes" : "") : field.value;
    const until = name === "tif" && value === "gtd" && !this.draft.until ? { until: wallText(new Date(Date.now() + 7 * 86_400_000)) } : {};
    this.#change({ [name]: value, ...until });
  }

  #listenToDesk() {
    this.listen(desk, "symbol", () => this.#look());
    this.listen(desk, "instruments", () => this.#fill());
    this.listen(desk, "price", (event) => this.#pick(event.detail));
    this.listen(desk, "side", (event) => this.#change({ side: event.detail }));
    this.listen(desk, "ticket", (event) => this.#take(event.detail));
    this.listen(desk, "quotes", () => this.#showQuote());
    this.listen(desk, "positions", () => this.#showHeld());
    this.listen(desk, "orders", () => this.#showResult());
    this.listen(desk, "connection", () => this.#showLocks());
    this.every(5000, () => this.#ask());
  }

  get isEditing() {
    return this.dataset.mode === "edit";
  }

  // The draft

  #take(wanted) {
    desk.select(wanted.symbol);
    this.#change(wanted);
    this.cells.quantity.focus();
  }

  /** A price picked from book or quote goes where the type has a limit, else into the stop. */
  #pick(price) {
    if (!price || !this.isEditing) return;
    const { type } = this.draft;
    if (type === "stop") this.#change({ stop: price });
    else this.#change({ type: type === "stop_limit" ? type : "limit", limit: price });
  }

  /** Look at another symbol: prices and an amount typed for the old one mean nothing there. */
  #look() {
    if (this.draft.symbol && this.draft.symbol !== desk.symbol) this.draft.clearPrices();
    this.#change({ symbol: desk.symbol });
  }

  #change(values) {
    if (!this.isEditing) {
      if (!("symbol" in values)) return;
      this.#edit({ focus: false });
    }
    this.draft.change(values);
    if (this.placing.isDone) this.placing.leave();
    this.#fill();
  }

  #fill() {
    const form = this.draft.chosen(desk.instrument);
    fillTicket(this.cells, this.draft, form, desk.instrument);
    put(this.cells.symbol, desk.symbol);
    this.#showHeld();
    this.#showQuote();
    this.#showSubmit();
    this.#ask();
  }

  #showSubmit() {
    const { draft, cells } = this;
    const amount = numbers.typed(draft.quantity);
    const order = draft.order(desk);
    put(cells.review, `Review ${draft.side} ${amount ? `${amountText(order, desk.instrument?.currency)} ` : ""}${desk.symbol}`);
    this.#showLocks();
  }

  #showHeld() {
    const { instrument } = desk;
    if (!instrument) return;
    const held = desk.positions.get(desk.symbol);
    const lot = `Lot ${numbers.quantity(instrument.lot_size)}`;
    const holds = held ? `You hold ${numbers.quantity(held.qty)}` : "You hold none";
    put(this.cells["quantity-note"], `${holds} · ${lot} · Tick ${numbers.quantity(instrument.tick_size)}`);
    const isShort = this.draft.side === "sell" && this.#sellsMore(held?.qty ?? "0");
    mark(this.cells.short, "hidden", !isShort);
  }

  /** Tell whether the order sells more than is held: it then borrows the rest. */
  #sellsMore(held) {
    const amount = numbers.typed(this.draft.quantity);
    const { exits, isAmount } = this.draft.chosen(desk.instrument);
    if (!amount || isAmount || exits === "oco" || desk.instrument?.asset_class !== "us_equity") return false;
    return numbers.compare(amount, held) > 0;
  }

  #showQuote() {
    const decimals = desk.priceplaces(desk.symbol);
    put(this.cells.bid, numbers.fixed(desk.quote?.bid ?? null, decimals));
    put(this.cells.ask, numbers.fixed(desk.quote?.ask ?? null, decimals));
  }

  #showLocks() {
    const { cells, draft } = this;
    const state = desk.socket?.state ?? "connecting";
    const problem = this.#lock(state);
    put(cells.lock, problem?.text ?? "");
    mark(cells.lock, "hidden", !problem);
    cells.fields.disabled = state === "offline" || desk.config.canTrade === false;
    const isReady = draft.isComplete(desk.instrument) && desk.symbol && !problem?.isHard;
    cells.review.disabled = !isReady;
    cells.confirm.disabled = Boolean(problem?.isHard) || this.placing.isBusy;
  }

  /** What the connection forbids: market orders when prices are old, everything when nothing can be sent. */
  #lock(state) {
    const hard = (text) => ({ text, isHard: true });
    if (desk.config.canTrade === false) return hard("You may watch this account, but not trade in it.");
    if (state === "offline") return hard("Offline. Your draft is kept.");
    if (state === "ended") return hard("Session ended. Your draft is kept.");
    if (state === "live" || state === "resyncing" || state === "connecting") return null;
    if (this.draft.type === "market") return hard("Market orders are locked while prices are not live.");
    return { text: "Prices are not live. The server checks your limit against its own.", isHard: false };
  }

  // The preview

  #ask() {
    if (!this.isEditing) return;
    const isAskable = this.draft.isComplete(desk.instrument) && desk.symbol && desk.config.canTrade !== false;
    if (isAskable && document.visibilityState === "visible") this.preview.ask(this.draft.order(desk));
    else if (!isAskable) this.preview.clear();
  }

  #showPreview(answer, problem) {
    showPreview(this.cells, answer, problem, desk);
  }

  // Review and confirm

  review() {
    if (!this.isEditing || this.cells.review.disabled) return;
    this.placing.prepare(this.draft.order(desk));
    this.reviewedAt = performance.now();
    this.#enter("review");
    const { order } = this.placing;
    const currency = desk.instrument?.currency;
    put(this.cells.sentence, `${orderSentence(order, desk.priceplaces(order.symbol), currency)}${this.cells.short.hidden ? "" : " This is a short sale."}`);
    put(this.cells.confirm, `Confirm: ${order.side} ${amountText(order, currency)} ${order.symbol}`);
    dress(this.cells.confirm, `button button-block button-${order.side}`);
    this.#showMessage();
    this.#showLocks();
    this.cells.confirm.focus();
  }

  /** Tell whether a click is only the second half of the one that opened the review. */
  #isSecondHalf(event) {
    const age = performance.now() - this.reviewedAt;
    return event.detail > 0 && age < DOUBLE_CLICK * (event.detail > 1 ? 2 : 1);
  }

  #confirm(event) {
    if (!this.#isSecondHalf(event)) this.placing.send();
  }

  #edit({ focus = true } = {}) {
    const was = this.dataset.mode;
    this.#enter("edit");
    this.#showLocks();
    if (focus && was !== "edit") this.cells.quantity.focus();
    this.#ask();
  }

  #enter(mode) {
    this.dataset.mode = mode;
    mark(this.cells["edit-actions"], "hidden", mode !== "edit");
    mark(this.cells["review-actions"], "hidden", mode === "edit");
    this.cells.fields.inert = mode !== "edit";
  }

  #showPlacing() {
    const { placing, cells } = this;
    const { state } = placing;
    if (state === "placed" || state === "refused") {
      this.#edit({ focus: false });
      if (state === "placed") {
        const tif = this.draft.tif === "gtd" ? { tif: "day" } : {};
        this.draft.change({ ...tif, quantity: "", exits: "none", profit: "", loss: "", lossLimit: "", algorithm: "none" });
        this.#fill();
      }
    } else if (state === "invalid" || state === "none") this.#edit({ focus: false });
    else this.#enter("review");
    mark(cells.back, "hidden", placing.isBusy || state === "unsure");
    this.#showMessage();
    this.#showLocks();
  }

  #showMessage() {
    const { message } = this.cells;
    const content = placingMessage(this.placing, {
      again: () => this.guard(() => this.placing.send()),
      leave: () => this.guard(() => { this.placing.leave(); this.#edit(); }),
    });
    message.replaceChildren(...(content ? [content] : []));
    mark(message, "hidden", !content);
  }

  /** The order placed last is followed in the ticket too. */
  #showResult() {
    if (this.placing.state === "placed") this.#showMessage();
  }

  #shortcut(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.repeat && this.isEditing) {
      event.preventDefault();
      this.review();
    } else if (event.key === "Escape" && !this.isEditing && !this.placing.isBusy && this.placing.state !== "unsure" && !document.querySelector("dialog:modal:not(#sheet)")) {
      event.preventDefault();
      this.placing.leave();
      this.#edit();
    }
  }
}

define("tp-ticket", Ticket);
