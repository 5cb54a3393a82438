"""List the processes that make a portal, besides its servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trading_portal.running.layout import MANAGE, ROOT, VENV_PYTHON, DataFolder
from trading_portal.running.ports import HOST
from trading_portal.running.problems import Problem
from trading_portal.running.supervisor import Program

CELERY = (
    *("-m", "celery", "-A", "trading_portal.celery", "worker", "-P", "threads", "-c", "4", "-l", "INFO"),
    *("--without-mingle", "--without-gossip"),  # nobody here asks another worker anything, which takes a second
)
APPLICATION = "trading_portal.asgi:application"
WEB = {
    "daphne": ("-m", "trading_portal.running.daphne_server", "-v", "0", "-b", HOST, "-p", "{port}", APPLICATION),
    "uvicorn": ("-m", "trading_portal.running.uvicorn_server", "--host", HOST, "--port", "{port}", APPLICATION),
}
MOST_WEB_PROCESSES = 64
# A web process that stops answers what it let in, and then places what is still in its queue.
WEB_STOP_SECONDS = 30.0
OTHERS: dict[str, tuple[str, ...]] = {
    "worker": (*CELERY, "-Q", "default", "-n", "worker@%h", "-B", "-s", "{data}/celerybeat-schedule"),
    "venue": (*CELERY, "-Q", "{venues}", "-n", "venue@%h"),
    "feed": (str(MANAGE), "feed"),
    "relay": (str(MANAGE), "relay"),
}
FIX = (str(MANAGE), "fix_acceptor")


def _venue(name: str) -> tuple[str, ...]:
    """Return the worker of one real venue: it shares a process with no other."""
    return (*CELERY, "-Q", f"venue.{name}", "-n", f"venue-{name}@%h")


def _words(environment: Mapping[str, str], name: str, default: str = "") -> list[str]:
    return [word.strip() for word in (environment.get(name) or default).split(",") if word.strip()]


def web_programs(environment: Mapping[str, str], folder: DataFolder, port: int) -> list[Program]:
    """Return the web processes of one portal; several share its port."""
    server = environment.get("PORTAL_ASGI") or "daphne"
    if server not in WEB:
        raise Problem(f"PORTAL_ASGI is {server!r}; it must be daphne or uvicorn.")
    count = web_processes(environment)
    command = (*WEB[server], *(["--shared"] if count > 1 else []))
    names = ["web", *(f"web-{number}" for number in range(2, count + 1))]
    programs = [_program(name, command, environment, port=port, data=folder.path) for name in names]
    return [replace(program, stop_seconds=WEB_STOP_SECONDS) for program in programs]


def web_processes(environment: Mapping[str, str]) -> int:
    """Return how many web processes there are to be; raise Problem when that is no number."""
    named = environment.get("PORTAL_WEB_PROCESSES") or "1"
    if not (named.isascii() and named.isdigit() and 1 <= int(named) <= MOST_WEB_PROCESSES):
        raise Problem(f"PORTAL_WEB_PROCESSES is {named!r}; it must be a number from 1 to {MOST_WEB_PROCESSES}.")
    return int(named)


def _program(name: str, command: Sequence[str], environment: Mapping[str, str], **places: object) -> Program:
    words = [str(VENV_PYTHON), *(part.format(**places) for part in command)]
    return Program(name=name, command=words, environment=environment, folder=ROOT)


def programs(environment: Mapping[str, str], folder: DataFolder, port: int) -> list[Program]:
    """Return the programs of one portal, in the order of their start."""
    commands = dict(OTHERS)
    simulated = _words(environment, "PORTAL_PAPER_VENUES", "paper") + _words(environment, "PORTAL_RECORDED_VENUES")
    simulated += ["smart"] if _words(environment, "PORTAL_SMART_VENUES", "alpha,beta,gamma") else []
    venues = ",".join(f"venue.{name}" for name in simulated)
    for variable in ("PORTAL_ALPACA_VENUES", "PORTAL_FIX_VENUES"):
        commands |= {f"venue-{name}": _venue(name) for name in _words(environment, variable)}
    if environment.get("PORTAL_FIX_PORT", "0") not in ("", "0"):
        commands["fix"] = FIX
    others = [
        _program(name, command, environment, data=folder.path, venues=venues) for name, command in commands.items()
    ]
    return [*web_programs(environment, folder, port), *others]
