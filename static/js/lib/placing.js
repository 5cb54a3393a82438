// One command on its way: its identity is made once, kept over retries and reloads, and asked for when no answer comes.

import { NoAnswer, Problem, get, newId, post } from "./api.js";
import { desk } from "./desk.js";

const ANSWER_WITHIN = 5000;
const CHECKS = 5;
const CHECK_EVERY = 1000;
const KEY = "portal.placing";
const BUSY = new Set(["sending", "checking"]);

/** States: none, ready, sending, checking, unsure, placed, refused (stored, with reasons), invalid (nothing stored). */
export class Placing extends EventTarget {
  state = "none";
  order = null;
  orderId = null;
  title = "";
  detail = "";
  reasons = [];

  /** Tell whether the last command has its answer, and only tells of it. */
  get isDone() {
    return ["placed", "refused", "invalid"].includes(this.state);
  }

  get isBusy() {
    return BUSY.has(this.state);
  }

  /** Take the order to send and give it its identity. */
  prepare(order) {
    this.order = { ...order, client_order_id: newId() };
    this.orderId = null;
    this.detail = "";
    this.reasons = [];
    this.#enter("ready");
  }

  /** Go on with a command that a reload interrupted; tell whether there is one. */
  recall() {
    try {
      this.order = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    } catch {
      this.order = null;
    }
    return Boolean(this.order?.client_order_id);
  }

  /** Give the command up: what the server made of it comes by push. */
  leave() {
    this.#forget();
    this.order = null;
    this.#enter("none");
  }

  async send() {
    if (this.isBusy || !this.order) return;
    this.#keep();
    this.#enter("sending");
    try {
      this.#placed(await post("/orders/commands", this.order, { timeout: ANSWER_WITHIN }));
    } catch (error) {
      await this.#failed(error);
    }
  }

  /** Ask by the order's identity until the server has an answer; a miss proves nothing while the command may be under way. */
  async check() {
    this.#enter("checking");
    const query = new URLSearchParams({ account_id: this.order.account_id, client_order_id: this.order.client_order_id });
    for (let turn = 0; turn < CHECKS; turn += 1) {
      try {
        this.#placed(await get(`/orders/commands?${query}`, { timeout: ANSWER_WITHIN }));
        return;
      } catch (error) {
        if (error instanceof Problem && error.status === 401) break;
      }
      await new Promise((resume) => setTimeout(resume, CHECK_EVERY));
    }
    this.#enter("unsure");
  }

  #placed(order) {
    this.#forget();
    this.orderId = order.chain_id;
    desk.takeOrder(order);
    if (order.status === "rejected") {
      this.title = "Refused by risk";
      this.reasons = order.reasons ?? [];
      this.#enter("refused");
    } else this.#enter("placed");
  }

  async #failed(error) {
    this.detail = error instanceof Problem ? error.message : "";
    if (error instanceof NoAnswer || error.status >= 500) {
      await this.check();
      return;
    }
    if (!(error instanceof Problem) || error.status === 401) {
      this.#enter("unsure");
      return;
    }
    this.#forget();
    this.title = error.order ? "Refused by risk" : "Not placed";
    this.reasons = error.reasons;
    if (error.order) {
      this.orderId = error.order.chain_id;
      desk.takeOrder(error.order);
    }
    this.#enter(error.order ? "refused" : "invalid");
  }

  #keep() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.order));
    } catch {
      // A closed storage only loses the check after a reload; the push still brings the order.
    }
  }

  #forget() {
    try {
      sessionStorage.removeItem(KEY);
    } catch {
      // Nothing was kept.
    }
  }

  #enter(state) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("change"));
  }
}
