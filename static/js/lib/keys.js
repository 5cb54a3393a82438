// The keyboard map: what can be done, by which key, and the person's own choices.

const KEY = "portal.keys";

export const ACTIONS = [
  { name: "search", keys: "/", text: "Search a symbol" },
  { name: "help", keys: "?", text: "Show these keys" },
  { name: "buy", keys: "b", text: "Set the side to buy (sends nothing)" },
  { name: "sell", keys: "s", text: "Set the side to sell (sends nothing)" },
  { name: "next", keys: "j", text: "Next row" },
  { name: "previous", keys: "k", text: "Previous row" },
  { name: "open", keys: "o", text: "Open or close the row's story" },
  { name: "cancel", keys: "c", text: "Cancel the row's order (asks first)" },
  { name: "change", keys: "m", text: "Change the row's order (opens its form)" },
  { name: "go-ticket", keys: "g t", text: "Go to the ticket" },
  { name: "go-orders", keys: "g o", text: "Go to orders" },
  { name: "go-positions", keys: "g p", text: "Go to positions" },
  { name: "go-account", keys: "g a", text: "Go to the account" },
];

export const FIXED = [
  { keys: "Ctrl Enter", text: "Review the order" },
  { keys: "Enter", text: "On Confirm: send it" },
  { keys: "Esc", text: "Close; never more" },
];

function own() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return kept && typeof kept === "object" ? kept : {};
  } catch {
    return {};
  }
}

/** Return the keys of an action as they are now. */
export function keysOf(action) {
  const kept = own()[action.name];
  return typeof kept === "string" && kept ? kept : action.keys;
}

/** Give an action another key; return what already has it, or null when it is done. */
export function remap(action, keys) {
  const holder = ACTIONS.find((other) => other !== action && (keysOf(other) === keys || keysOf(other).split(" ")[0] === keys));
  if (holder) return holder;
  localStorage.setItem(KEY, JSON.stringify({ ...own(), [action.name]: keys }));
  return null;
}

export function resetKeys() {
  localStorage.removeItem(KEY);
}

const isTyping = (target) => target instanceof Element && target.closest("input:not([type=radio]), select, textarea, [contenteditable]") !== null;

/** Call back with an action's name when its keys are pressed: never in a field, a dialog or for a held key. */
export function listenToKeys(act, signal) {
  let prefix = "";
  let timer = 0;
  const press = (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog:modal")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const typed = prefix ? `${prefix} ${key}` : key;
    prefix = "";
    clearTimeout(timer);
    const action = ACTIONS.find((one) => keysOf(one) === typed);
    if (action) {
      event.preventDefault();
      act(action.name);
    } else if (ACTIONS.some((one) => keysOf(one).startsWith(`${typed} `))) {
      prefix = typed;
      timer = setTimeout(() => { prefix = ""; }, 1500);
    }
  };
  document.addEventListener("keydown", press, { signal });
}
