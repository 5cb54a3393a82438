// A page without live data.

import "../elements/tp-display-menu.js";
