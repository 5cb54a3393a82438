// Loaded before any element: the desk is there, and times have their zone, when the first element starts.

import { desk } from "./desk.js";
import { useZone } from "./time.js";

const { accountId, currency, canTrade, zone, symbol, tick } = document.querySelector("#main").dataset;

useZone(zone);
desk.open({ accountId, currency, canTrade: canTrade === "yes", symbol, tick });
