"""Prove that the order machine can fail: plant known bugs in a copy of the tree, one by one, and see it find each."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from trading_portal.running.console import say
from trading_portal.running.layout import ROOT, VENV, VENV_PYTHON
from trading_portal.running.problems import Problem

PATCHES = ROOT / "tests" / "mutants"
MACHINE = "tests/test_order_machine.py"
EXAMPLES = 200
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".data", "node_modules", "__pycache__", ".hypothesis", ".*_cache")


class Verdict(StrEnum):
    """Say what the machine made of a tree; one with a planted bug must not pass."""

    SILENT = "passes"
    CAUGHT = "caught"
    BROKEN = "does not run"


def run(names: Sequence[str]) -> int:
    """Run the machine on the sound tree, then on every planted bug (or those named); print a table.

    Return 0 when the sound tree passes and every bug is caught.
    """
    patches = [path for path in sorted(PATCHES.glob("*.patch")) if not names or path.stem in names]
    unknown = set(names) - {path.stem for path in patches}
    if unknown or not patches:
        raise Problem(f"There is no planted bug {', '.join(sorted(unknown)) or 'at all'} in {PATCHES}.")
    with tempfile.TemporaryDirectory(prefix="portal-mutants-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=_LEFT_OUT, symlinks=True)
        (tree / ".venv").symlink_to(VENV)
        Path(folder).chmod(0o755)  # the test database may run as another user
        # The sound tree must pass, or a failure would say nothing.
        is_sound = _tell("(no bug)", "the tree as it is", tree, examples=10) is Verdict.SILENT
        missed = [path.stem for path in patches if not _try(path, tree)] if is_sound else []
        caught = f"{len(patches) - len(missed)} of {len(patches)} caught"
        say(f"  {caught if is_sound else 'The tree itself does not pass: nothing was tried.'}")
        return 0 if is_sound and not missed else 1


def reason_of(patch: Path) -> str:
    """Return the sentence that a planted bug begins with."""
    return patch.read_text().splitlines()[0]


def _try(patch: Path, tree: Path) -> bool:
    _apply(patch, tree)
    try:
        return _tell(patch.stem, reason_of(patch), tree, examples=EXAMPLES) is Verdict.CAUGHT
    finally:
        _apply(patch, tree, "--reverse")


def _apply(patch: Path, tree: Path, *options: str) -> None:
    done = subprocess.run(
        ["git", "apply", *options, patch], cwd=tree, capture_output=True, text=True, check=False,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
    )  # fmt: skip
    if done.returncode:
        raise Problem(f"{patch.name} no longer applies: {done.stderr.strip()}")


def _tell(name: str, why: str, tree: Path, *, examples: int) -> Verdict:
    started = time.monotonic()
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "hunt", "ORDER_MACHINE_EXAMPLES": str(examples)}
    done = subprocess.run(
        [VENV_PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", MACHINE],
        cwd=tree, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    verdict = {0: Verdict.SILENT, 1: Verdict.CAUGHT}.get(done.returncode, Verdict.BROKEN)
    say(f"  {name:<32} {verdict:<12} {time.monotonic() - started:6.1f} s  {why}")
    if verdict is Verdict.BROKEN:
        say(done.stdout[-2000:] + done.stderr[-2000:])
    return verdict
