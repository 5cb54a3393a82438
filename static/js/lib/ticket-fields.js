// Show the ticket's fields: only those that apply, each with its line of explanation.

import { mark, put } from "./dom.js";
import { ALGORITHM_NOTES, exitsOf, EXIT_NOTES, TIME_NOTES, TYPE_NOTES } from "./order-form.js";
import { typed } from "./numbers.js";
import { zoneName } from "./time.js";

const TEXTS = ["quantity", "limit", "stop", "trail", "until", "profit", "loss", "lossLimit", "minutes"];
const VENUE_NOTE = "Ranks several venues by price, fee, depth and speed, and shares the order out.";

/** Put the draft into the fields, and hide what does not apply to what was chosen. */
export function fillTicket(cells, draft, form, instrument) {
  for (const button of cells.side.children) mark(button, "aria-pressed", String(button.dataset.side === draft.side));
  for (const button of cells.type.children) mark(button, "aria-pressed", String(button.dataset.type === draft.type));
  for (const name of TEXTS) if (cells[name].value !== draft[name]) cells[name].value = draft[name];
  showFields(cells, form);
  showTimes(cells, form);
  showExits(cells, draft, form);
  showWork(cells, draft, form);
  showAmount(cells, draft, form, instrument);
  showFaults(cells, draft, form);
  const note = TYPE_NOTES[draft.type];
  put(cells["type-note"], typeof note === "string" ? note : note[draft.side]);
  cells.trailUnit.value = draft.trailUnit;
  cells.extended.checked = form.isExtended;
}

function showFields(cells, form) {
  const shown = {
    limit: form.hasLimit, stop: form.hasStop, trail: form.hasTrail, until: form.tif === "gtd", extended: form.canExtend,
    profit: form.hasProfit, loss: form.hasLoss, algorithm: form.canWork, minutes: form.algorithm !== "none",
    exits: !form.hasTrail,
  };
  for (const [name, applies] of Object.entries(shown)) mark(cells[`${name}-field`], "hidden", !applies);
}

function showTimes(cells, form) {
  for (const option of cells.tif.options) option.hidden = option.disabled = !form.times.includes(option.value);
  cells.tif.value = form.tif;
  note(cells["tif-note"], TIME_NOTES[form.tif]);
  put(cells["until-zone"], zoneName());
}

function showExits(cells, draft, form) {
  const possible = exitsOf(draft);
  for (const option of cells.exits.options) option.hidden = option.disabled = !possible.includes(option.value);
  cells.exits.value = form.exits;
  note(cells["exits-note"], EXIT_NOTES[form.exits]);
}

function showWork(cells, draft, form) {
  cells.algorithm.value = form.algorithm;
  note(cells["algorithm-note"], ALGORITHM_NOTES[form.algorithm]);
  if (cells.venue) {
    cells.venue.value = draft.venue;
    note(cells["venue-note"], draft.venue === "smart" ? VENUE_NOTE : "");
  }
  const said = [form.exits !== "none" && "exits", form.algorithm !== "none" && form.algorithm.toUpperCase(), draft.venue].filter(Boolean);
  put(cells["more-note"], said.join(", "));
  if (form.exits !== "none" || form.algorithm !== "none") cells.more.open = true;
}

function showAmount(cells, draft, form, instrument) {
  mark(cells.basis, "hidden", !form.canAmount);
  put(cells["quantity-label"], form.isAmount ? `Amount, ${instrument?.currency ?? ""}` : "Quantity");
  put(cells.basis, form.isAmount ? "as quantity" : "as amount");
  mark(cells.basis, "aria-label", form.isAmount ? "Order a quantity instead of an amount of money" : "Order an amount of money instead of a quantity");
  mark(cells["preview-quantity-row"], "hidden", !form.isAmount);
}

function showFaults(cells, draft, form) {
  const applies = { quantity: true, limit: form.hasLimit, stop: form.hasStop, trail: form.hasTrail, profit: form.hasProfit, loss: form.hasLoss, lossLimit: form.hasLoss };
  for (const [name, isShown] of Object.entries(applies)) mark(cells[name], "aria-invalid", isShown && draft[name] && !typed(draft[name]) ? "true" : null);
}

function note(element, text) {
  put(element, text);
  mark(element, "hidden", !text);
}
