// The session ended: sign in again in place, with the draft kept.

import { desk } from "../lib/desk.js";
import { make, put } from "../lib/dom.js";
import { Panel, define } from "../lib/panel.js";

class SignInAgain extends Panel {
  start() {
    this.password = make("input", { class: "input", id: "again-password", type: "password", autocomplete: "current-password", required: true });
    this.problem = make("p", { class: "danger", role: "alert" });
    this.go = make("button", { class: "button button-primary", type: "submit" }, "Sign in");
    const later = make("button", { class: "button", type: "button" }, "Later");
    this.form = make(
      "form",
      { class: "dialog-body" },
      make("p", {}, `Signed in as ${this.dataset.username} until now. What you typed is kept.`),
      make("input", { class: "visually-hidden", type: "text", autocomplete: "username", value: this.dataset.username, readonly: true, tabindex: "-1", "aria-hidden": "true" }),
      make("div", { class: "field" }, make("label", { for: "again-password" }, "Password"), this.password),
      this.problem,
      make("div", { class: "dialog-actions" }, later, this.go),
    );
    this.dialog = make("dialog", { class: "dialog", "aria-labelledby": "again-title" }, make("div", { class: "dialog-head" }, make("h2", { id: "again-title" }, "Session ended")), this.form);
    this.replaceChildren(this.dialog);
    this.listen(desk, "connection", () => desk.socket.state === "ended" && !this.wasShown && this.#open());
    this.listen(desk, "sign-in", () => this.#open());
    this.listen(later, "click", () => this.dialog.close());
    this.listen(this.form, "submit", (event) => {
      event.preventDefault();
      return this.#signIn();
    });
  }

  #open() {
    this.wasShown = true;
    if (!this.dialog.open) this.dialog.showModal();
    this.password.focus();
  }

  async #signIn() {
    this.go.disabled = true;
    put(this.problem, "");
    try {
      await fetch(this.dataset.action, { credentials: "same-origin", headers: { Accept: "text/html" } });
      const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? "";
      const answer = await fetch(this.dataset.action, {
        method: "POST",
        credentials: "same-origin",
        headers: { Accept: "application/json", "X-CSRFToken": token },
        body: new URLSearchParams({ username: this.dataset.username, password: this.password.value }),
      });
      const body = await answer.json();
      if (answer.ok) this.#resume();
      else put(this.problem, body.detail ?? "Signing in failed.");
    } catch {
      put(this.problem, "The server could not be reached.");
    } finally {
      this.go.disabled = false;
      this.password.value = "";
    }
  }

  #resume() {
    this.wasShown = false;
    this.dialog.close();
    desk.socket.resume();
  }
}

define("tp-sign-in-again", SignInAgain);
