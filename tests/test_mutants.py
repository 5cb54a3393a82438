"""Every planted bug still fits the code it is to break, and says why it is one; `make mutants` sees each found."""

import subprocess

import pytest

from trading_portal.running.layout import ROOT
from trading_portal.running.mutants import PATCHES, reason_of

ALL = sorted(PATCHES.glob("*.patch"))


def test_there_are_a_dozen_planted_bugs():
    assert len(ALL) >= 12


@pytest.mark.parametrize("patch", ALL, ids=lambda path: path.stem)
def test_a_planted_bug_still_applies_and_says_why_it_is_one(patch):
    done = subprocess.run(["git", "apply", "--check", patch], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert reason_of(patch).endswith(".")
