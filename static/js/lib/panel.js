// What every element of the workspace keeps: its own error boundary, and no listener that outlives it.

import { make, icon } from "./dom.js";

export class Panel extends HTMLElement {
  #pristine = null;
  #life = null;

  connectedCallback() {
    this.#pristine ??= [...this.childNodes].map((node) => node.cloneNode(true));
    this.#life = new AbortController();
    this.guard(() => this.start());
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.stop();
  }

  start() {}

  stop() {}

  get signal() {
    return this.#life.signal;
  }

  /** Listen for as long as this element lives; what the listener throws stays in this panel. */
  listen(target, types, handler) {
    for (const type of types.split(" ")) {
      target.addEventListener(type, (event) => this.guard(() => handler(event)), { signal: this.signal });
    }
  }

  /** Do something every so often for as long as this element lives. */
  every(milliseconds, work) {
    const timer = setInterval(() => this.guard(work), milliseconds);
    this.signal.addEventListener("abort", () => clearInterval(timer));
  }

  guard(work) {
    try {
      const done = work();
      if (done instanceof Promise) done.catch((error) => this.fail(error));
      return done;
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /** Show what failed in this panel, and a way to try again; the other panels live on. */
  fail(error) {
    if (error?.name === "AbortError" || this.#life?.signal.aborted) return;
    console.warn(`${this.localName} failed`, error);
    this.#life.abort();
    this.stop();
    this.replaceChildren(
      make(
        "div",
        { class: "problem", role: "alert" },
        make("strong", {}, icon("triangle-alert"), ` ${this.getAttribute("aria-label") ?? "This panel"} failed`),
        make("span", {}, error?.title ? `${error.title}. ${error.message}` : "Something in this panel went wrong."),
        error?.requestId ? make("code", {}, `Request ${error.requestId}`) : null,
        make("button", { class: "button", type: "button", onclick: () => this.restart() }, "Retry"),
      ),
    );
  }

  restart() {
    this.#life?.abort();
    this.replaceChildren(...this.#pristine.map((node) => node.cloneNode(true)));
    this.#life = new AbortController();
    this.guard(() => this.start());
  }


  parts() {
    return Object.fromEntries([...this.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  }
}

/** Define an element once, however often its module is loaded. */
export function define(name, type) {
  if (!customElements.get(name)) customElements.define(name, type);
}
