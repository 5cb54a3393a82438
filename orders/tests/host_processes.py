"""Host a venue in several processes, to be killed: `python -m orders.tests.host_processes <venue> <how many>`.

One of them holds the venue and the others wait for it to fall. What they need is loaded once, before there are several.
"""

from __future__ import annotations

import os
import runpy
import sys

import django

os.environ.setdefault("PORTAL_PAPER_LATENCY_MS", "0")
os.environ.setdefault("PORTAL_PAPER_RESTING_MS", "0")
django.setup()

import orders.brokers.registry  # noqa: E402
import orders.hosting.worker  # noqa: E402, F401

count = int(sys.argv.pop())
is_first = all(os.fork() for _ in range(count - 1))
runpy.run_module("orders.tests.host_process", run_name="__main__")
if is_first:
    for _ in range(count - 1):
        os.wait()
