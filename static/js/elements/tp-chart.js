// Candles with own working orders, average cost and fills. Numbers become geometry here and nowhere else.

import {
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
} from "../../vendor/lightweight-charts/lightweight-charts.js";
import { get } from "../lib/api.js";
import { ownLines } from "../lib/chart-lines.js";
import { desk } from "../lib/desk.js";
import { colour, dress, make, mark, put } from "../lib/dom.js";
import * as numbers from "../lib/numbers.js";
import { Panel, define } from "../lib/panel.js";
import { age, day, minute, shortDay, month, zoneName } from "../lib/time.js";

const CANDLES = 500;
const SECONDS = { "1m": 60, "5m": 300, "1h": 3600, "1d": 86_400 };
/** How far from the candles, in their own height, a line may lie and still be shown. */
const NEAR = 1.5;
const TICK_MARKS = [month, month, shortDay, minute, minute];

class Chart extends Panel {
  #lines = new Map();
  #wanted = new Map();
  #scaled = null;
  #candles = [];
  /** What came while the answer with those before was on its way. */
  #newer = null;
  #asked = 0;

  start() {
    this.cells = this.parts();
    this.#lines = new Map();
    this.#build();
    this.listen(desk, "symbol", () => this.#load());
    this.listen(desk, "candle", (event) => this.#take(event.detail));
    this.listen(desk, "candles-missed", () => this.#load({ isShown: this.#newer === null }));
    this.listen(desk, "quotes symbol", () => this.#showQuote());
    this.listen(desk, "orders positions symbol", () => this.#showLines());
    this.every(1000, () => this.#showQuality());
    this.listen(desk, "fills", () => this.#showFills());
    this.listen(desk, "look", () => this.#dress());
    this.listen(matchMedia("(prefers-color-scheme: light)"), "change", () => this.#dress());
    this.listen(this.cells.symbol, "click", () => desk.emit("search"));
    this.listen(this.cells.intervals, "click", (event) => this.#choose(event.target.closest("[data-interval]")));
    if (!desk.symbol) return desk.loadInstruments();
    this.#showQuote();
    return this.#load();
  }

  stop() {
    this.chart?.remove();
    this.chart = null;
  }

  #build() {
    this.cells.canvas.replaceChildren();
    this.chart = createChart(this.cells.canvas, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11 },
      rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.08 } },
      timeScale: {
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 10,
        tickMarkFormatter: (time, kind) => (desk.interval === "1d" && kind === 2 ? shortDay : TICK_MARKS[kind])(time * 1000),
      },
      crosshair: { mode: 0 },
    });
    const autoscaleInfoProvider = (original) => this.#scale(original());
    this.series = this.chart.addSeries(CandlestickSeries, { borderVisible: true, priceLineVisible: true, autoscaleInfoProvider });
    this.markers = createSeriesMarkers(this.series, []);
    this.chart.subscribeCrosshairMove((move) => this.#showLegend(move.seriesData?.get(this.series)));
    this.#dress();
  }

  /** Take the colours of the page; rising candles are hollow, so that grey shows them too. */
  #dress() {
    const [up, down, line, text, base] = ["up", "down", "line", "text-2", "background-1"].map((token) => colour(token));
    this.chart.applyOptions({
      layout: { background: { color: base }, textColor: text },
      grid: { vertLines: { color: colour("line", 0.45) }, horzLines: { color: colour("line", 0.45) } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
      localization: {
        timeFormatter: (time) => `${day(time * 1000)} ${minute(time * 1000)} ${zoneName(new Date(time * 1000))}`,
      },
    });
    this.series.applyOptions({
      upColor: base, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down,
    });
    this.#showLines(true);
    this.#showFills();
  }

  #choose(button) {
    if (!button || button.dataset.interval === desk.interval) return;
    desk.showInterval(button.dataset.interval);
    for (const other of this.cells.intervals.children) mark(other, "aria-pressed", String(other === button));
    this.#load();
  }

  /** Fetch the candles; those that are shown stay until the answer is here. */
  async #load({ isShown = false } = {}) {
    const asked = ++this.#asked;
    const { symbol, interval } = desk;
    const newer = [];
    this.#newer = newer;
    if (!isShown) {
      this.#candles = [];
      this.#showAxis();
    }
    const query = new URLSearchParams({ symbol, interval, limit: String(CANDLES) });
    const answer = await get(`/prices/candles?${query}`, { signal: this.signal });
    if (asked !== this.#asked) return;
    this.#newer = null;
    this.#candles = (answer.candles ?? []).map(plotted);
    for (const candle of newer) this.#merge(candle);
    this.series.setData(this.#candles);
    if (!isShown) this.#showNewest();
    this.#showLines(true);
    this.#showFills();
    this.#showLegend();
  }

  #showNewest() {
    const { length } = this.#candles;
    this.chart.timeScale().setVisibleLogicalRange({ from: Math.max(0, length - 120), to: length + 10 });
  }

  #showAxis() {
    const tick = desk.instrument?.tick_size ?? "0.01";
    const precision = desk.priceplaces(desk.symbol);
    this.series.setData([]);
    this.series.applyOptions({ priceFormat: { type: "price", precision, minMove: numbers.geometry(tick) } });
    put(this.cells.symbol, desk.symbol);
    put(this.cells.name, desk.instrument?.name ?? "");
  }

  #take(frame) {
    if (frame.sym !== desk.symbol || frame.interval !== desk.interval) return;
    const candle = plotted(frame.candle);
    this.#newer?.push(candle);
    const last = this.#candles.at(-1);
    if (this.#merge(candle)) this.series.update(candle, last !== undefined && candle.time < last.time);
    this.#showLegend();
  }

  /** Put a candle in its place, and tell whether it has one: what is older than all that are held has none. */
  #merge(candle) {
    const index = this.#candles.findLastIndex((one) => one.time <= candle.time);
    if (this.#candles[index]?.time === candle.time) this.#candles[index] = candle;
    else if (index === this.#candles.length - 1) this.#candles.push(candle);
    else return false;
    return true;
  }

  #showQuote() {
    const { quote, symbol } = desk;
    const decimals = desk.priceplaces(symbol);
    put(this.cells.last, numbers.fixed(quote?.last ?? null, decimals));
    const change = quote?.change;
    put(this.cells.change, change ? `${numbers.arrow(change)} ${numbers.signed(change, decimals)} (${numbers.signed(quote.change_percent, 2)}%)` : "");
    dress(this.cells.change, `chart-change ${numbers.direction(change)}`);
    this.#showQuality();
    this.#follow(quote);
  }

  #showQuality() {
    const quality = desk.symbol ? this.#quality(desk.quote) : "";
    mark(this.cells.quality, "hidden", !quality);
    put(this.cells.quality, quality);
    mark(this.cells.last, "data-old", desk.isPriceOld(desk.symbol) ? "" : null);
  }

  /** Return what is not ordinary about this price, in words. */
  #quality(quote) {
    if (desk.instrument?.is_halted) return "Halted";
    if (!quote) return "No live price";
    if (quote.open === false) return "Closed";
    if (desk.isPriceOld(desk.symbol)) return `Price ${age(desk.priceAge(desk.symbol))} old`;
    return quote.synthetic ? "Synthetic quote" : "";
  }

  /** Draw the running candle up to the last price: the stored candle comes a moment later, and one price is shown once. */
  #follow(quote) {
    const last = this.#candles.at(-1);
    const start = Math.floor(Date.parse(quote?.executed_at ?? "") / 1000 / SECONDS[desk.interval]) * SECONDS[desk.interval];
    if (!last || start !== last.time || last.texts.c === quote.last) return;
    const { o, h, l, v } = last.texts;
    const high = numbers.compare(quote.last, h) > 0 ? quote.last : h;
    const low = numbers.compare(quote.last, l) < 0 ? quote.last : l;
    const candle = plotted({ t: last.time, o, h: high, l: low, c: quote.last, v });
    this.#candles[this.#candles.length - 1] = candle;
    this.series.update(candle);
    this.#showLegend();
  }

  #showLegend(candle = this.#candles.at(-1)) {
    if (!candle?.texts) {
      const found = candle && this.#candles.find((one) => one.time === candle.time);
      if (!found) {
        put(this.cells.legend, "");
        return;
      }
      candle = found;
    }
    const decimals = desk.priceplaces(desk.symbol);
    const { o, h, l, c, v } = candle.texts;
    const shown = [o, h, l, c].map((price) => numbers.fixed(price, decimals));
    put(this.cells.legend, `O ${shown[0]}  H ${shown[1]}  L ${shown[2]}  C ${shown[3]}  V ${numbers.quantity(v)}`);
  }

  #showLines(isAnew = false) {
    if (!this.series) return;
    const wanted = ownLines();
    const isSmall = this.cells.canvas.clientWidth < 480;
    this.#wanted = wanted;
    for (const [key, line] of this.#lines) {
      if (isAnew || !wanted.has(key)) {
        this.series.removePriceLine(line);
        this.#lines.delete(key);
      }
    }
    for (const [key, line] of wanted) {
      const { price, title, color, lineStyle } = line;
      const options = { price, title, color, lineStyle };
      line.word = title;
      if (isSmall) options.title = "";
      const drawn = this.#lines.get(key);
      if (drawn) drawn.applyOptions(options);
      else this.#lines.set(key, this.series.createPriceLine({ ...options, lineWidth: 1, axisLabelVisible: true }));
    }
    this.#scale(this.#scaled);
  }

  /** Make room for own lines near the candles; one far away would flatten them, and is named above the chart. */
  #scale(info) {
    if (!info?.priceRange) return info;
    this.#scaled = info;
    const { minValue: low, maxValue: high } = info.priceRange;
    const room = Math.max(high - low, high * 0.002) * NEAR;
    const [near, far] = [[low, high], []];
    for (const line of this.#wanted.values()) {
      if (line.price > low - room && line.price < high + room) near.push(line.price);
      else far.push({ ...line, isAbove: line.price > high });
    }
    queueMicrotask(() => this.guard(() => this.#showFar(far)));
    return { ...info, priceRange: { minValue: Math.min(...near), maxValue: Math.max(...near) } };
  }

  #showFar(far) {
    const texts = far.map((line) => `${line.isAbove ? "\u2191" : "\u2193"} ${line.word} at ${numbers.fixed(line.text, desk.priceplaces(desk.symbol))}`);
    mark(this.cells.off, "hidden", !texts.length);
    const said = texts.join("\n");
    if (said === this.saidFar) return;
    this.saidFar = said;
    this.cells.off.replaceChildren(...texts.map((text, index) => make("span", { class: far[index].side === "buy" ? "up" : far[index].side === "sell" ? "down" : "muted" }, text)));
  }

  /** Mark what was bought and sold in each candle: many fills of one candle are one mark. */
  #showFills() {
    if (!this.markers) return;
    const step = SECONDS[desk.interval];
    const first = this.#candles[0]?.time ?? Infinity;
    const marks = new Map();
    for (const fill of desk.fills.filter((one) => one.symbol === desk.symbol)) {
      const time = Math.floor(Date.parse(fill.executed_at) / 1000 / step) * step;
      const key = `${time} ${fill.side}`;
      if (time >= first) marks.set(key, { time, side: fill.side, texts: [...(marks.get(key)?.texts ?? []), fill.qty] });
    }
    const [up, down] = [colour("up"), colour("down")];
    this.markers.setMarkers(
      [...marks.values()].sort((a, b) => a.time - b.time).map(({ time, side, texts }) => ({
        time,
        position: side === "buy" ? "belowBar" : "aboveBar",
        shape: side === "buy" ? "arrowUp" : "arrowDown",
        color: side === "buy" ? up : down,
        text: this.cells.canvas.clientWidth < 480 ? "" : `${side === "buy" ? "B" : "S"} ${numbers.quantity(numbers.total(texts))}`,
      })),
    );
  }
}

function plotted(candle) {
  const { t, o, h, l, c } = candle;
  return { time: t, open: numbers.geometry(o), high: numbers.geometry(h), low: numbers.geometry(l), close: numbers.geometry(c), texts: candle };
}

define("tp-chart", Chart);
