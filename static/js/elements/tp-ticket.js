// The ticket: a draft, its preview, a review, one command. Nothing is sent but by Confirm, and only once.

import { desk } from "../lib/desk.js";
import { dress, icon, make, mark, put } from "../lib/dom.js";
import { Draft } from "../lib/draft.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { Placing } from "../lib/placing.js";
import { showPreview, Preview } from "../lib/preview.js";
import { reasonText, SIDES, statusText, TIMES_IN_FORCE } from "../lib/words.js";

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
    const { side, type, quantity, limit, tif, form } = this.cells;
    const press = (group, name) =>
      this.listen(group, "click", (event) => {
        const value = event.target.closest("button")?.dataset[name];
        if (value) this.#change({ [name]: value });
      });
    press(side, "side");
    press(type, "type");
    this.listen(quantity, "input", () => this.#change({ quantity: quantity.value }));
    this.listen(limit, "input", () => this.#change({ limit: limit.value }));
    this.listen(tif, "change", () => this.#change({ tif: tif.value }));
    this.listen(form, "submit", (event) => event.preventDefault());
    this.listen(this.cells["pick-bid"], "click", () => this.#pick(desk.quote?.bid));
    this.listen(this.cells["pick-ask"], "click", () => this.#pick(desk.quote?.ask));
  }

  #listenToDesk() {
    this.listen(desk, "symbol", () => this.#change({ symbol: desk.symbol, limit: "" }));
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

  #pick(price) {
    if (price && this.isEditing) this.#change({ type: "limit", limit: price });
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
    const { draft, cells } = this;
    for (const button of cells.side.children) mark(button, "aria-pressed", String(button.dataset.side === draft.side));
    for (const button of cells.type.children) mark(button, "aria-pressed", String(button.dataset.type === draft.type));
    if (cells.quantity.value !== draft.quantity) cells.quantity.value = draft.quantity;
    if (cells.limit.value !== draft.limit) cells.limit.value = draft.limit;
    cells.tif.value = draft.tif;
    mark(cells["limit-field"], "hidden", draft.type !== "limit");
    put(cells.symbol, desk.symbol);
    this.#showHeld();
    this.#showQuote();
    this.#showSubmit();
    this.#ask();
  }

  #showSubmit() {
    const { draft, cells } = this;
    const amount = numbers.typed(draft.quantity);
    put(cells.review, `Review ${draft.side} ${amount ? `${numbers.quantity(amount)} ` : ""}${desk.symbol}`);
    mark(cells.quantity, "aria-invalid", draft.quantity && !amount ? "true" : null);
    mark(cells.limit, "aria-invalid", draft.type === "limit" && draft.limit && !numbers.typed(draft.limit) ? "true" : null);
    this.#showLocks();
  }

  #showHeld() {
    const { instrument } = desk;
    if (!instrument) return;
    const held = desk.positions.get(desk.symbol);
    const lot = `Lot ${numbers.quantity(instrument.lot_size)}`;
    const holds = held ? `You hold ${numbers.quantity(held.qty)}` : "You hold none";
    put(this.cells["quantity-note"], `${holds} · ${lot} · Tick ${numbers.quantity(instrument.tick_size)}`);
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
    const isReady = draft.isComplete && desk.symbol && !problem?.isHard;
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
    const isAskable = this.draft.isComplete && desk.symbol && desk.config.canTrade !== false;
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
    const price = order.type === "limit" ? `at ${numbers.fixed(order.limit_price, Math.max(numbers.places(order.limit_price), desk.priceplaces(order.symbol)))} or better` : "at the market";
    const amount = numbers.quantity(order.qty);
    put(this.cells.sentence, `${SIDES[order.side]} ${amount} ${order.symbol} ${price}, ${TIMES_IN_FORCE[order.time_in_force]}.`);
    put(this.cells.confirm, `Confirm: ${order.side} ${amount} ${order.symbol}`);
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
        this.draft.change({ quantity: "" });
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
    const content = this.#message();
    message.replaceChildren(...(content ? [content] : []));
    mark(message, "hidden", !content);
  }

  #message() {
    const { placing } = this;
    const say = (level, name, ...content) => make("div", { class: `callout callout-${level}` }, icon(name), make("div", {}, ...content.filter(Boolean)));
    const again = (text) => make("button", { class: "button button-small", type: "button", onclick: () => this.guard(() => placing.send()) }, text);
    const leave = make("button", { class: "button button-small button-quiet", type: "button", onclick: () => this.guard(() => { placing.leave(); this.#edit(); }) }, "Leave it");
    if (placing.state === "sending") return say("info", "loader-circle", "Sending…");
    if (placing.state === "checking") return say("info", "loader-circle", "Checking… No answer yet; asking whether the order arrived.");
    if (placing.state === "unsure") {
      return say("warn", "triangle-alert", placing.detail ? make("p", {}, placing.detail) : null, make("p", {}, "It is not known whether the order arrived. Sending it again is safe: it carries the same identity and is placed once."), again("Send the same order again"), leave);
    }
    if (placing.state === "invalid" || placing.state === "refused") return say("danger", "circle-x", make("strong", {}, placing.title), this.#reasons());
    if (placing.state === "placed") return this.#placed(say);
    return null;
  }

  #reasons() {
    const { reasons, detail } = this.placing;
    const texts = reasons.map((reason) => numbers.readable(reason.sentence || reason.message || reason.code || "")).filter(Boolean);
    return texts.length ? make("ul", {}, ...texts.map((text) => make("li", {}, text))) : make("p", {}, detail);
  }

  #placed(say) {
    const order = desk.orders.get(this.placing.orderId);
    if (!order) return null;
    const filled = `${numbers.quantity(order.filled_qty)} of ${numbers.quantity(order.qty)}`;
    const isBad = order.status === "rejected";
    const text = `${SIDES[order.side]} ${order.symbol}: ${statusText(order)}${/[1-9]/.test(order.filled_qty) ? `, ${filled}` : ""}.`;
    return say(isBad ? "danger" : "info", isBad ? "circle-x" : "circle-check", text, isBad ? make("p", {}, reasonText(order)) : null);
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
