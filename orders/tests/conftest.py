"""Leave out what needs QuickFIX where there are no wheels of it for this Python."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("quickfix") else ["test_fix_*.py"]
