"""Start processes, start again what dies, kill what hangs. One thread, no waiting: `turn` does what is due."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trading_portal.kernel import clock
from trading_portal.kernel.heartbeat import VARIABLE
from trading_portal.running import logfile, metering, processes
from trading_portal.running.probe import Probe
from trading_portal.running.problems import Problem

SILENCE_SECONDS = 10.0
GRACE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
STEADY_SECONDS = 10.0
ROTATE_EVERY = 5.0
TURN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Program:
    """Name a process to keep running: its command, how it shows that it lives, and how it is asked to stop."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    beats: bool = True
    probe: Probe | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    orphan_signal: int = signal.SIGKILL
    user: int | None = None
    group: int | None = None
    before: Callable[[], object] | None = None


@dataclass(slots=True)
class Child:
    """Hold what is known of one program: the process that runs now, and how it has fared."""

    program: Program
    log: Path
    process: subprocess.Popen[bytes] | None = None
    pipe: int | None = None
    started_at: float = 0.0
    heard_at: float | None = None
    start_at: float = 0.0
    pause: float = FIRST_PAUSE
    starts: int = 0
    quick_deaths: int = 0
    identity: list[int | str] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        """Tell whether a process runs, as far as was last seen."""
        return self.process is not None

    def is_silent(self, at: float) -> bool:
        """Tell whether this process has shown no life for too long."""
        if self.process is None or not (self.program.beats or self.program.probe):
            return False
        if self.heard_at is None:
            return at - self.started_at > GRACE_SECONDS
        return at - self.heard_at > SILENCE_SECONDS


class Supervisor:
    """Keep a set of programs running."""

    def __init__(
        self,
        mark: str,
        logs: Path,
        report: Callable[[str], None],
        changed: Callable[[], None],
        *,
        metrics: Path | None = None,
    ) -> None:
        self.mark = mark
        self.logs = logs
        self.metrics = metrics
        self.report = report
        self.changed = changed
        self.children: dict[str, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._rotate_at = 0.0
        if metrics is not None:
            metering.begin(metrics)

    def add(self, program: Program) -> Child:
        """Start a program, and keep it running from now on."""
        child = Child(program, self.logs / f"{program.name}.log")
        self.children[program.name] = child
        self._start(child)
        return child

    def turn(self, seconds: float = 0.0) -> None:
        """Wait for signs of life for so long; then start, kill and note what is due."""
        self._listen(seconds)
        at = clock.monotonic()
        for child in self.children.values():
            if child.program.probe and child.process and child.program.probe.poll(at):
                child.heard_at = at
            self._look_at(child, at)
        if at >= self._rotate_at:
            self._rotate_at = at + ROTATE_EVERY
            for child in self.children.values():
                logfile.rotate(child.log)

    def stop(self, names: Sequence[str], hurry: Callable[[], bool]) -> None:
        """Ask programs to stop, all at once; kill what takes too long, or when told to hurry."""
        leaving = [self.children.pop(name) for name in names if name in self.children]
        for child in leaving:
            if child.process:
                child.process.send_signal(signal.SIGCONT)
                child.process.send_signal(child.program.stop_signal)
        asked_at = clock.monotonic()
        for child in leaving:
            while child.process and child.process.poll() is None:
                if hurry() or clock.monotonic() - asked_at > child.program.stop_seconds:
                    self.report(f"{child.program.name} does not stop; killed")
                    child.process.kill()
                self._listen(TURN_SECONDS / 2)
            self._bury(child)

    def pids(self) -> dict[str, list[int | str]]:
        """Return the identity of each process that runs."""
        return {name: child.identity for name, child in self.children.items() if child.process}

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            with contextlib.suppress(BlockingIOError):
                if os.read(key.fd, 4096):
                    key.data.heard_at = clock.monotonic()
                else:
                    self._selector.unregister(key.fd)

    def _look_at(self, child: Child, at: float) -> None:
        name = child.program.name
        if child.process is None:
            if at >= child.start_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is not None:
            lived = at - child.started_at
            child.pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(child.pause * 2, LONGEST_PAUSE)
            child.quick_deaths = 0 if lived > STEADY_SECONDS else child.quick_deaths + 1
            child.start_at = at + child.pause
            self._bury(child)
            self.report(f"{name} {_ending(code)} after {lived:.1f} s; starting again in {child.pause:.1f} s")
        elif child.is_silent(at):
            silent = at - (child.heard_at if child.heard_at is not None else child.started_at)
            self.report(f"{name} (pid {child.process.pid}) has been silent for {silent:.0f} s; killed")
            child.process.kill()
            child.heard_at = at

    def _start(self, child: Child) -> None:
        program = child.program
        at = clock.monotonic()
        environment = {**program.environment, processes.MARK: self.mark}
        if self.metrics is not None:
            environment |= metering.environment(self.metrics, program.name)
        passed: tuple[int, ...] = ()
        if program.beats:
            child.pipe, theirs = os.pipe()
            os.set_blocking(child.pipe, False)
            environment[VARIABLE] = f"{theirs}:{os.fstat(theirs).st_ino}"
            passed = (theirs,)
        log = logfile.open_log(child.log)
        try:
            if program.before:
                program.before()
            child.process = processes.spawn(
                program.command,
                folder=program.folder,
                environment=environment,
                log=log,
                orphan_signal=program.orphan_signal,
                pass_fds=passed,
                user=program.user,
                group=program.group,
            )
        except (OSError, Problem) as error:
            self._bury(child)
            if child.starts == 0:
                raise
            child.pause = min(child.pause * 2, LONGEST_PAUSE)
            child.start_at = at + child.pause
            self.report(f"{program.name} cannot be started: {error}")
            return
        finally:
            for descriptor in (log, *passed):
                os.close(descriptor)
        if child.pipe is not None:
            self._selector.register(child.pipe, selectors.EVENT_READ, child)
        child.started_at, child.heard_at = at, None
        child.starts += 1
        child.identity = processes.identity(child.process.pid)
        if child.starts > 1:
            self.report(f"{program.name} runs again (pid {child.process.pid})")
        self.changed()

    def _bury(self, child: Child) -> None:
        """Forget a process that has ended, and end what it may have left behind."""
        if child.process:
            child.process.wait()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
        if child.pipe is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(child.pipe)  # gone already where the pipe was closed at the other end
            os.close(child.pipe)
        if child.program.probe:
            child.program.probe.forget()
        if self.metrics is not None:
            metering.ended(self.metrics, child.program.name)
        child.process = child.pipe = None


def _ending(code: int) -> str:
    """Return in words how a process ended."""
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
