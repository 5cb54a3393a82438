"""Start, script, kill and start again a FIX venue that runs in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from orders.brokers.fix.broker import FixBroker
from orders.brokers.fix.profile import FixProfile
from orders.brokers.protocol import VenueOrder
from orders.tests.fix_wire import Wire
from orders.tests.venue_script import Levels
from trading_portal.kernel.ids import uuid7


class FixVenue:
    """One venue process, its port and its folder."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fix-venue-")
        self.folder = Path(self._folder.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None
        self.partners = count()
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orders.tests.fix_venue", str(self.port), str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": ""},
        )  # fmt: skip
        self._read()

    def do(self, command: str, **words: Any) -> Any:
        assert self.process
        assert self.process.stdin
        self.process.stdin.write(json.dumps([command, words]) + "\n")
        self.process.stdin.flush()
        return self._read().get("answer")

    def _read(self) -> dict[str, Any]:
        assert self.process
        assert self.process.stdout
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"error": "the venue died"}')
        assert "error" not in answer, answer
        return answer

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        assert self.process
        self.process.kill()
        self.process.communicate()
        self._folder.cleanup()


class FixScript:
    """Make a FIX venue act, and give adapters that speak to it (see VenueScript)."""

    symbol = "TEST"
    lacks: dict[Any, str] = {}

    def __init__(self, venue: FixVenue, root: Path, **profile: Any) -> None:
        self.wire = Wire(venue.port)
        self.name = f"fix-{uuid7().hex[-12:]}"
        self.venue = venue
        self.root = root
        self.profile = FixProfile(**{
            "host": "127.0.0.1", "port": self.wire.port,
            "sender_comp_id": f"PORTAL{next(venue.partners)}", "target_comp_id": "VENUE",
            "username": "portal", "password": "secret", "answer_seconds": 1.5, "heartbeat_seconds": 2, **profile,
        })  # fmt: skip

    def adapter(self) -> FixBroker:
        return FixBroker(self.name, self.profile, self.root)

    def do(self, command: str, order: VenueOrder, **words: Any) -> Any:
        return self.venue.do(command, name=str(order.order_id), **words)

    def fill(self, order: VenueOrder, quantity: str, price: str) -> None:
        self.do("fill", order, quantity=quantity, price=price)

    def show(self, *, bids: Levels, asks: Levels) -> None:
        self.venue.do("show", bids=list(bids), asks=list(asks))

    def cancel_unasked(self, order: VenueOrder) -> None:
        self.do("move", order, exec_type="4", status="4", _58="the venue ended it")

    def refuse_cancel(self) -> None:
        self.venue.do("set", what="refuse_cancel", value=True)

    def refuse_replace(self) -> None:
        self.venue.do("set", what="refuse_replace", value=True)

    def fill_early(self, quantity: str, price: str) -> None:
        self.venue.do("set", what="fill_early", value=[quantity, price])

    def bust(self, order: VenueOrder) -> None:
        self.do("bust", order)

    def correct(self, order: VenueOrder, quantity: str, price: str) -> None:
        self.do("correct", order, quantity=quantity, price=price)

    def repeat(self, order: VenueOrder) -> None:
        self.do("repeat", order)

    def cut(self) -> None:
        self.wire.cut()

    def mend(self) -> None:
        self.wire.mend()

    def lose_answer(self) -> None:
        self.venue.do("set", what="lose_answer", value=True)

    def lose_message(self) -> None:
        self.venue.do("set", what="lose_message", value=True)
