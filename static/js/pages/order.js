// An order's own page: the same socket, this order's events.

import "../elements/tp-announcer.js";
import "../elements/tp-cancel-dialog.js";
import "../elements/tp-connection.js";
import "../elements/tp-copy.js";
import "../elements/tp-display-menu.js";
import "../elements/tp-order-events.js";
import "../elements/tp-order-head.js";
import "../elements/tp-sign-in-again.js";
import { desk } from "../lib/desk.js";
import { useZone, zoneName } from "../lib/time.js";

const { accountId, canTrade, zone } = document.querySelector("#main").dataset;
useZone(zone);
for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = zoneName();
desk.open({ accountId, canTrade: canTrade === "yes" });
