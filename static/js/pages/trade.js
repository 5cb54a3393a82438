// The trade workspace: load the elements, start the desk, wire what lies between them.

import "../lib/begin.js";
import "../elements/tp-account-strip.js";
import "../elements/tp-amend-dialog.js";
import "../elements/tp-announcer.js";
import "../elements/tp-banner.js";
import "../elements/tp-blotter.js";
import "../elements/tp-cancel-dialog.js";
import "../elements/tp-chart.js";
import "../elements/tp-clock.js";
import "../elements/tp-close-dialog.js";
import "../elements/tp-connection.js";
import "../elements/tp-depth.js";
import "../elements/tp-display-menu.js";
import "../elements/tp-fills.js";
import "../elements/tp-key-help.js";
import "../elements/tp-orders.js";
import "../elements/tp-positions.js";
import "../elements/tp-sign-in-again.js";
import "../elements/tp-symbol-search.js";
import "../elements/tp-ticket.js";
import "../elements/tp-watchlist.js";
import { desk } from "../lib/desk.js";
import { mark } from "../lib/dom.js";
import { listenToKeys } from "../lib/keys.js";

const workspace = document.querySelector("#main");
const sheet = document.querySelector("#sheet");
const phone = matchMedia("(max-width: 719px)");
const BLOTTER = ["orders", "positions", "fills"];

/** On a phone the ticket is a bottom sheet; elsewhere it is a panel that is always there. */
function placeTicket() {
  if (sheet.open && (phone.matches || sheet.matches(":modal"))) sheet.close();
  if (!sheet.open && !phone.matches) sheet.show();
}

function openTicket(side) {
  if (side) desk.emit("side", side);
  if (phone.matches) {
    if (!sheet.open) sheet.showModal();
  } else document.querySelector("#ticket-quantity").focus();
}

function showTab(name) {
  workspace.dataset.tab = name;
  for (const tab of document.querySelectorAll(".page-tabs [data-tab]")) mark(tab, "aria-pressed", String(tab.dataset.tab === name));
  if (BLOTTER.includes(name)) desk.emit("view", name);
}

function view() {
  return document.querySelector("tp-blotter")?.dataset.view ?? "orders";
}

const ACTS = {
  search: () => desk.emit("search"),
  help: () => desk.emit("keys"),
  buy: () => desk.emit("side", "buy"),
  sell: () => desk.emit("side", "sell"),
  next: () => desk.emit("row-key", { view: view(), key: "next" }),
  previous: () => desk.emit("row-key", { view: view(), key: "previous" }),
  open: () => desk.emit("row-key", { view: view(), key: "open" }),
  cancel: () => desk.emit("row-key", { view: view(), key: "cancel" }),
  change: () => desk.emit("row-key", { view: view(), key: "change" }),
  "go-ticket": () => openTicket(),
  "go-orders": () => go("orders"),
  "go-positions": () => go("positions"),
  "go-account": () => document.querySelector("tp-account-strip").focus(),
};

function go(name) {
  showTab(name);
  document.querySelector(`#view-${name}`).focus();
}

placeTicket();
phone.addEventListener("change", placeTicket);
listenToKeys((name) => ACTS[name](), new AbortController().signal);
for (const button of document.querySelectorAll("[data-open-ticket]")) button.addEventListener("click", () => openTicket(button.dataset.openTicket));
document.querySelector("[data-open-keys]").addEventListener("click", () => desk.emit("keys"));
document.querySelector(".page-tabs").addEventListener("click", (event) => {
  const name = event.target.closest("[data-tab]")?.dataset.tab;
  if (name) showTab(name);
});
document.querySelector('[data-part="close"]').addEventListener("click", () => sheet.close());
document.querySelector("#account-select")?.addEventListener("change", (event) => event.target.form.submit());
desk.addEventListener("ticket", () => phone.matches && openTicket());
desk.addEventListener("price", () => phone.matches && openTicket());

