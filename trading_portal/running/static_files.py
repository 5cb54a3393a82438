"""Collect static files only when they have changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trading_portal.running import bootstrap
from trading_portal.running.layout import ROOT, DataFolder


def are_current(folder: DataFolder) -> bool:
    """Tell whether the collected files are those of the tree and the packages."""
    note = _note(folder)
    return note.is_file() and note.read_text() == _fingerprint()


def note_current(folder: DataFolder) -> None:
    """Remember what was collected."""
    _note(folder).write_text(_fingerprint())


def _note(folder: DataFolder) -> Path:
    return folder.path / "static" / ".collected"


def _fingerprint() -> str:
    digest = hashlib.sha256(bootstrap.fingerprint(bootstrap.RUNTIME).encode())
    for place in [ROOT / "static", *sorted(ROOT.glob("[a-z]*/static"))]:
        for file in sorted(place.rglob("*")):
            if file.is_file():
                seen = file.stat()
                digest.update(f"{file.relative_to(ROOT)} {seen.st_size} {seen.st_mtime_ns}".encode())
    return digest.hexdigest()
