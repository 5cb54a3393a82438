// An order's own page: the same socket, this order's events.

import "../lib/begin.js";
import "../elements/tp-amend-dialog.js";
import "../elements/tp-announcer.js";
import "../elements/tp-banner.js";
import "../elements/tp-cancel-dialog.js";
import "../elements/tp-connection.js";
import "../elements/tp-copy.js";
import "../elements/tp-display-menu.js";
import "../elements/tp-order-events.js";
import "../elements/tp-order-head.js";
import "../elements/tp-sign-in-again.js";
import { zoneName } from "../lib/time.js";

for (const name of document.querySelectorAll("[data-zone-name]")) name.textContent = zoneName();
