#!/usr/bin/env python3
"""Run the portal (`up`, `stop`, `test`, `check`, `bench`) and Django's commands, from any Python 3.11 or newer."""

import os
import shutil
import sys

OLDEST, NEWEST = (3, 11), (3, 14)


def require_python():
    """Go on in a fitting Python, where this one does not fit; this function must run in any Python 3."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            os.execv(found, [found, *sys.argv])
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    sys.exit(f"This is Python {here}; the portal needs Python 3.11 to 3.14, and none was found here.")


if __name__ == "__main__":
    require_python()
    from trading_portal.running.commands import main

    sys.exit(main(sys.argv))
