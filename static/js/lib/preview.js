// What an order would cost and which checks it would pass, as the server sees it now. Advice only: the server decides.

import { post } from "./api.js";
import { dress, icon, make, mark, put } from "./dom.js";
import * as numbers from "./numbers.js";

const PAUSE = 250;

export class Preview {
  #timer = 0;
  #inFlight = null;
  #show;

  constructor(show) {
    this.#show = show;
  }

  ask(order) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fetch(order), PAUSE);
  }

  clear() {
    this.stop();
    this.#show(null, null);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#inFlight?.abort();
  }

  async #fetch(order) {
    this.#inFlight?.abort();
    const flight = new AbortController();
    this.#inFlight = flight;
    try {
      const answer = await post("/orders/preview", order, { signal: flight.signal });
      if (!flight.signal.aborted) this.#show(answer, null);
    } catch (error) {
      if (!flight.signal.aborted) this.#show(null, error);
    }
  }
}

/** Put a preview, or why there is none, into the ticket's parts. */
export function showPreview(cells, answer, problem, desk) {
  const currency = desk.instrument?.currency ?? "";
  const decimals = numbers.currencyPlaces(currency);
  const money = (value, unit = currency) => (value ? `${numbers.fixed(value, decimals)} ${unit}` : numbers.DASH);
  put(cells.notional, money(answer?.notional));
  put(cells["preview-quantity"], answer?.qty ? `about ${numbers.quantity(answer.qty)} ${desk.symbol}` : numbers.DASH);
  put(cells.fees, money(answer?.fees));
  put(cells.slippage, answer?.slippage ? `${numbers.signed(answer.slippage, decimals)} ${currency}` : numbers.DASH);
  put(cells["power-after"], money(answer?.buying_power_after, desk.config.currency));
  dress(cells["power-after"], numbers.signOf(answer?.buying_power_after) < 0 ? "danger" : "");
  const isShort = numbers.signOf(answer?.position_after) < 0;
  put(cells["position-after"], answer?.position_after ? `${numbers.quantity(answer.position_after)} ${desk.symbol}${isShort ? " short" : ""}` : numbers.DASH);
  dress(cells["position-after"], isShort ? "warn strong" : "");
  showChecks(cells, answer, problem);
}

function showChecks(cells, answer, problem) {
  const checks = answer?.checks ?? [];
  const failed = checks.filter((check) => !check.passed);
  if (problem) {
    const reasons = problem.reasons?.map((reason) => reason.sentence || reason.message).filter(Boolean) ?? [];
    put(cells["checks-note"], "");
    cells.checks.replaceChildren(...(reasons.length ? reasons : [problem.message]).map((text) => make("li", { "data-passed": "no" }, icon("circle-x", "", "small"), make("span", { class: "sentence" }, numbers.readable(text)))));
    return;
  }
  if (!answer) put(cells["checks-note"], "Enter an order to see its checks.");
  else if (failed.length) put(cells["checks-note"], `${failed.length} of ${checks.length} would refuse`);
  else put(cells["checks-note"], `All ${checks.length} pass`);
  dress(cells["checks-note"], failed.length ? "danger strong" : "muted");
  const metered = checks.filter((check) => check.passed && check.percent !== null && check.percent !== undefined);
  metered.sort((a, b) => numbers.compare(b.percent, a.percent));
  const rest = checks.filter((check) => check.passed && !metered.includes(check));
  const items = [...failed, ...metered].map(item);
  if (rest.length) items.push(make("li", { class: "checks-rest" }, icon("check", "", "small"), make("span", {}, rest.map((check) => check.label).join(", "))));
  cells.checks.replaceChildren(...items);
}

const FRACTIONS = new Set(["price_collar", "concentration"]);
const SECONDS = new Set(["stale_price", "duplicate_window"]);

/** Return a check's figure in its unit: shares as percentages, ages in seconds, amounts without a tail of decimals. */
function figure(rule, value) {
  if (FRACTIONS.has(rule)) return numbers.percentage(value, 2).replace(/^\+/, "");
  if (SECONDS.has(rule)) return `${numbers.fixed(value, numbers.places(value) ? 1 : 0)} s`;
  const most = /^-?\d{3}/.test(value) ? 2 : 8;
  return numbers.places(value) > most ? numbers.fixed(value, most) : numbers.quantity(value);
}

/** Return how much of its limit a check found used, in the check's unit. */
export function figuresText({ rule, value, limit, percent }) {
  return `${figure(rule, value)} / ${figure(rule, limit)}${percent ? ` · ${numbers.fixed(percent, 0)}%` : ""}`;
}

function item(check) {
  const label = make("span", { class: "label-text", title: check.label }, check.label);
  const known = check.limit !== null && check.limit !== undefined;
  const figures = known ? figuresText(check) : "";
  const element = make("li", { "data-passed": check.passed ? "yes" : "no" }, icon(check.passed ? "check" : "circle-x", check.passed ? "Passes" : "Would refuse", "small"), label, make("span", { class: "figures" }, figures));
  if (check.percent !== null && check.percent !== undefined) {
    const meter = make("meter", { min: "0", max: "100", low: "80", high: "99", optimum: "0", "aria-label": `${check.label} used` });
    meter.value = check.passed ? Math.min(numbers.geometry(check.percent), 99) : 100;
    mark(meter, "title", `${check.percent}% of the limit`);
    element.append(meter);
  }
  if (!check.passed && check.sentence) element.append(make("span", { class: "sentence" }, numbers.readable(check.sentence)));
  return element;
}
