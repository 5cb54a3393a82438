// Decimal strings in, decimal strings out: nothing here goes through a float.

import { rules } from "./order-rules.js";

const SHAPE = /^([+-]?)(\d+)(?:\.(\d+))?$/;
const AMOUNT = new RegExp(`^\\d{1,${rules.whole_digits}}(\\.\\d{1,${rules.places}})?$`);
const MINUS = "\u2212";
export const DASH = "\u2013";

function split(text) {
  const found = typeof text === "string" ? SHAPE.exec(text) : null;
  return found ? { negative: found[1] === "-", whole: found[2], fraction: found[3] ?? "" } : null;
}

function scaled(text, places) {
  const { negative, whole, fraction } = split(text);
  const units = BigInt(whole + fraction.padEnd(places, "0").slice(0, places));
  return negative ? -units : units;
}

/** Return how many decimals a decimal string has, trailing zeros left out. */
export function places(text) {
  return split(text)?.fraction.replace(/0+$/, "").length ?? 0;
}

/** Return -1, 0 or 1; 0 for what is no number. */
export function signOf(text) {
  const found = split(text);
  if (!found || !/[1-9]/.test(found.whole + found.fraction)) return 0;
  return found.negative ? -1 : 1;
}

/** Compare two decimal strings exactly, for sorting; what is no number comes last. */
export function compare(left, right) {
  const [a, b] = [split(left), split(right)];
  if (!a || !b) return Number(!a) - Number(!b);
  const digits = Math.max(a.fraction.length, b.fraction.length);
  const [x, y] = [scaled(left, digits), scaled(right, digits)];
  return x < y ? -1 : Number(x > y);
}

/** Return the text with exactly so many decimals, rounded half away from zero, digits grouped; a dash for none. */
export function fixed(text, decimals) {
  const found = split(text);
  if (!found) return DASH;
  const cut = decimals < found.fraction.length;
  let units = BigInt(found.whole + found.fraction.padEnd(decimals, "0").slice(0, decimals));
  if (cut && found.fraction[decimals] >= "5") units += 1n;
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const shown = decimals ? `${whole}.${digits.slice(digits.length - decimals)}` : whole;
  return found.negative && units > 0n ? MINUS + shown : shown;
}

/** Return the text as it is, digits grouped and trailing zeros left out; a dash for none. */
export function quantity(text) {
  return fixed(text, places(text));
}

/** Return the text with a sign in front, also a plus. */
export function signed(text, decimals) {
  const shown = fixed(text, decimals);
  return signOf(text) > 0 ? `+${shown}` : shown;
}

/** Return a fraction as a signed percentage: the point moves, nothing is computed. */
export function percentage(text, decimals = 2) {
  const found = split(text);
  if (!found) return DASH;
  const fraction = found.fraction.padEnd(2, "0");
  return `${signed(`${found.negative ? "-" : ""}${found.whole}${fraction.slice(0, 2)}.${fraction.slice(2)}0`, decimals)}%`;
}

/** Return the arrow that goes with a signed value. */
export function arrow(text) {
  return ["\u25BC", "", "\u25B2"][signOf(text) + 1];
}

/** Return the class that colours a signed value. */
export function direction(text) {
  return ["down", "", "up"][signOf(text) + 1];
}

/** Return a text as a decimal string as the server takes it, or null: no signs, no exponents, no grouping. */
export function typed(text) {
  const trimmed = text.trim();
  return AMOUNT.test(trimmed) && /[1-9]/.test(trimmed) ? trimmed : null;
}

/** Group the digits of the amounts in a sentence; ids and dates stay as they are. */
export function readable(sentence) {
  return sentence.replace(/(?<![\w.:-])\d{4,}(?:\.\d+)?(?![\w:-])/g, (amount) => fixed(amount, split(amount).fraction.length));
}

/** Return the sum of quantities, exactly. */
export function total(texts) {
  const digits = Math.max(0, ...texts.map((text) => split(text)?.fraction.length ?? 0));
  const units = texts.reduce((sum, text) => (split(text) ? sum + scaled(text, digits) : sum), 0n);
  const shown = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  const text = digits ? `${shown.slice(0, -digits)}.${shown.slice(-digits)}` : shown;
  return (units < 0n ? "-" : "") + text;
}

/** Return a decimal string as a number for geometry (a bar, a chart's axis), never for money. */
export function geometry(text) {
  return Number(text);
}

const CURRENCY_PLACES = { JPY: 0, KRW: 0, BTC: 8, ETH: 8 };

/** Return how many decimals amounts of a currency show. */
export function currencyPlaces(currency) {
  return CURRENCY_PLACES[currency] ?? 2;
}
