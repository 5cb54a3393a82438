// The browser's one socket: subscriptions that survive it, sequences that are checked, a state that can be read aloud.

const LIVE_WITHIN = 10_000;
const DEAD_AFTER = 25_000;
const PING_EVERY = 5_000;
const BACKOFF_FROM = 500;
const BACKOFF_TO = 20_000;
const CLOSED = { SIGNED_OUT: 4401, FORBIDDEN: 4403 };

/**
 * States: connecting, resyncing, live, stale, reconnecting, offline, ended. Emits "state" and "frame"; and "again", with
 * a channel, when its snapshot was asked for anew: what happened in between was told to nobody.
 */
export class Socket extends EventTarget {
  #address;
  #socket = null;
  #subscriptions = new Map();
  #lastId = 0;
  #attempt = 0;
  #retryTimer = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #ticker = 0;
  #waiting = new Set();
  state = "connecting";
  latency = null;
  clockOffset = 0;
  since = Date.now();

  constructor(address) {
    super();
    this.#address = address;
  }

  open() {
    this.#ticker = setInterval(() => this.#tick(), 500);
    addEventListener("online", () => this.#hurry());
    addEventListener("offline", () => this.state !== "ended" && this.#enter("offline"));
    addEventListener("portal:session-ended", () => this.#end());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
    this.#connect();
  }

  /** Subscribe a channel; subscribing it again replaces what it was subscribed to. */
  subscribe(channel, request, { awaits = false } = {}) {
    const known = this.#subscriptions.get(channel);
    if (known && JSON.stringify(known.request) === JSON.stringify(request)) return;
    const subscription = { channel, request, awaits, id: 0, sequence: null, times: 0 };
    this.#subscriptions.set(channel, subscription);
    if (this.#isOpen) this.#send(subscription);
  }

  /** Begin again after the person has signed in anew. */
  resume() {
    this.#attempt = 0;
    if (this.state === "ended") this.#enter("reconnecting");
    this.#connect();
  }

  /** Return for how many milliseconds nothing has been heard. */
  get silence() {
    return this.#heardAt ? Date.now() - this.#heardAt : null;
  }

  get heardAt() {
    return this.#heardAt;
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    if (this.#isOpen || this.#socket?.readyState === WebSocket.CONNECTING || this.state === "ended") return;
    if (navigator.onLine === false) {
      this.#enter("offline");
      return;
    }
    const socket = new WebSocket(this.#address);
    this.#socket = socket;
    socket.addEventListener("open", () => socket === this.#socket && this.#opened());
    socket.addEventListener("message", (event) => socket === this.#socket && this.#received(event.data));
    socket.addEventListener("close", (event) => socket === this.#socket && this.#closed(event.code));
  }

  #opened() {
    this.#attempt = 0;
    this.#heardAt = Date.now();
    this.#waiting.clear();
    this.#enter("resyncing");
    for (const subscription of this.#subscriptions.values()) this.#send(subscription);
    this.#settle();
    this.#ping();
  }

  #send(subscription) {
    subscription.id = ++this.#lastId;
    subscription.sequence = null;
    subscription.times++;
    if (subscription.awaits) {
      this.#waiting.add(subscription.channel);
      this.#settle();
    }
    this.#write({ op: "subscribe", id: subscription.id, ch: subscription.channel, ...subscription.request });
  }

  #write(message) {
    if (this.#isOpen) this.#socket.send(JSON.stringify(message));
  }

  #ping() {
    this.#pingedAt = performance.now();
    this.#write({ op: "ping", id: ++this.#lastId, ts: new Date().toISOString() });
  }

  #received(text) {
    this.#heardAt = Date.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#socket.close(4400);
      return;
    }
    if (frame.op) this.#operate(frame);
    else this.#deliver(frame);
    if (this.state === "stale") this.#settle();
  }

  #operate(frame) {
    if (frame.op === "pong") {
      this.latency = Math.max(1, Math.round(performance.now() - this.#pingedAt));
      this.#emit("state");
    } else if (frame.op === "hb") {
      this.clockOffset = Date.parse(frame.ts) - Date.now();
    } else if (frame.op === "resync") {
      for (const subscription of this.#subscriptions.values()) {
        if (!frame.ch || frame.ch === subscription.channel) this.#send(subscription);
      }
    } else if (frame.op === "error") {
      this.#emit("refused", frame);
      for (const subscription of this.#subscriptions.values()) {
        if (subscription.id === frame.id) this.#waiting.delete(subscription.channel);
      }
      this.#settle();
    }
  }

  #deliver(frame) {
    const subscription = this.#subscriptions.get(frame.ch);
    if (!subscription) return;
    if (frame.type === "delta" && !this.#follows(frame, subscription)) return;
    if (frame.seq !== undefined) subscription.sequence = frame.seq;
    this.#emit("frame", frame);
    if (frame.type !== "snapshot") return;
    if (subscription.times > 1) this.#emit("again", frame.ch);
    if (this.#waiting.delete(frame.ch)) this.#settle();
  }

  /** Tell whether a delta goes on from what was told; where something was missed, ask for the channel anew. */
  #follows({ seq, prev }, subscription) {
    const last = subscription.sequence;
    // Before its snapshot a channel tells what was asked before; and what was told already changes nothing.
    if (last === null || seq <= last) return false;
    if (prev > last) this.#send(subscription);
    return !(prev > last);
  }

  #settle() {
    if (this.#isOpen) this.#enter(this.#waiting.size ? "resyncing" : "live");
  }

  #closed(code) {
    this.#socket = null;
    if (code === CLOSED.SIGNED_OUT) {
      this.#end();
      return;
    }
    if (this.state === "ended") return;
    if (navigator.onLine === false) {
      this.#enter("offline");
      return;
    }
    this.#enter("reconnecting");
    const most = Math.min(BACKOFF_TO, BACKOFF_FROM * 2 ** this.#attempt++);
    const wait = code === CLOSED.FORBIDDEN ? BACKOFF_TO : BACKOFF_FROM + Math.random() * (most - BACKOFF_FROM);
    this.#retryTimer = setTimeout(() => this.#connect(), wait);
  }

  #end() {
    if (this.state === "ended") return;
    this.#enter("ended");
    this.#socket?.close();
  }

  /** Try at once: the network is back, or the page is looked at again. A line from before the gap is not trusted. */
  #hurry() {
    if (this.state === "ended") return;
    if (this.state === "offline") {
      const old = this.#socket;
      this.#socket = null;
      old?.close();
      this.#enter("reconnecting");
    } else if (this.#isOpen) {
      this.#ping();
      return;
    }
    this.#attempt = 0;
    this.#connect();
  }

  #tick() {
    if (!this.#isOpen) return;
    const silence = this.silence;
    if (silence > DEAD_AFTER) {
      const dead = this.#socket;
      this.#closed(1006);
      dead.close();
      return;
    }
    if (silence > LIVE_WITHIN && this.state !== "offline") this.#enter("stale");
    if (performance.now() - this.#pingedAt > PING_EVERY) this.#ping();
    if (this.state === "stale") this.#emit("state");
  }

  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.since = Date.now();
    if (state !== "live") this.latency = null;
    this.#emit("state");
  }

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
