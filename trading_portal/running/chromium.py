"""Find a Chromium for the browser tests: one that is here, else Debian's as root, else Playwright's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from trading_portal.running import bootstrap, packages
from trading_portal.running.layout import ROOT

VARIABLE = "PORTAL_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = "No Chromium is to be had here"


def find() -> Path | None:
    """Return a Chromium that starts, installing one where that is possible; None when there is none to be had."""
    if named := os.environ.get(VARIABLE):
        return Path(named) if _starts(named) else None
    return _present() or _from_debian() or _from_playwright()


def _present() -> Path | None:
    for name in NAMES:
        found = bootstrap.find_program(name)
        if found and _starts(found):
            return Path(found)
    return None


def _from_debian() -> Path | None:
    return _present() if packages.install("chromium") else None


def _from_playwright() -> Path | None:
    own = ROOT / ".cache" / "playwright"
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(own)}
    programs = ("chromium_headless_shell-*/*/*headless*shell", "chromium-*/chrome-linux*/chrome")
    if not _executables(own, programs):
        packages.runs([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"], environment)
    return next((found for found in _executables(own, programs) if _starts(str(found))), None)


def _executables(own: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [found for pattern in patterns for found in own.glob(pattern) if os.access(found, os.X_OK)]


def _starts(program: str) -> bool:
    """Tell whether a browser runs here at all: one without its libraries does not."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return packages.runs([program, "--headless", *sandbox, "--version"], dict(os.environ))
