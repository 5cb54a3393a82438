"""The supervisor starts again what dies, kills what hangs, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trading_portal.kernel import heartbeat
from trading_portal.running import holding, logfile, ports, postgres, probe, processes, supervisor
from trading_portal.running.layout import ROOT, DataFolder
from trading_portal.running.supervisor import Program, Supervisor

BEATING = "import time\nfrom trading_portal.kernel.heartbeat import beat\nwhile True: beat(); time.sleep(0.05)"
WITH_A_CHILD = "import subprocess, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Supervisor]:
    lines: list[str] = []
    running = Supervisor(str(tmp_path), tmp_path, lines.append, lambda: None)
    yield running
    running.stop(list(running.children), lambda: True)


def program(name: str, code: str, **changed: object) -> Program:
    given = {"beats": False, "folder": ROOT, "environment": dict(os.environ), **changed}
    return Program(name=name, command=[sys.executable, "-c", code], **given)  # type: ignore[arg-type]


def turn_until(watch: Supervisor, condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        watch.turn(0.02)


def test_a_killed_process_runs_again(watch: Supervisor) -> None:
    child = watch.add(program("sleeper", "import time; time.sleep(60)"))
    assert child.process
    first = child.process.pid
    os.kill(first, signal.SIGKILL)
    turn_until(watch, lambda: child.starts == 2)
    assert child.process.pid != first
    assert not processes.started_at(first)


def test_a_process_that_stops_beating_is_killed_and_runs_again(
    watch: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = watch.add(program("beater", BEATING, beats=True))
    turn_until(watch, lambda: child.heard_at is not None)
    monkeypatch.setattr(supervisor, "SILENCE_SECONDS", 0.8)
    assert child.process
    os.kill(child.process.pid, signal.SIGSTOP)
    turn_until(watch, lambda: child.starts == 2 and child.heard_at is not None)


def test_the_children_of_a_dead_process_end_with_it(watch: Supervisor) -> None:
    child = watch.add(program("parent", WITH_A_CHILD))
    turn_until(watch, lambda: bool(logfile.tail(child.log)))
    grandchild = int(logfile.tail(child.log)[0])
    assert child.process
    os.kill(child.process.pid, signal.SIGKILL)
    turn_until(watch, lambda: not processes.started_at(grandchild))


def test_a_server_that_answers_no_more_is_seen_as_silent() -> None:
    port = ports.free_port()
    asked = probe.Probe(port, probe.VALKEY_QUESTION)
    at = time.monotonic()
    assert not any(asked.poll(at + turn) for turn in range(5))


def test_a_heartbeat_goes_to_no_other_file_that_took_the_number() -> None:
    code = "from trading_portal.kernel.heartbeat import is_supervised; print(is_supervised())"
    environment = {**os.environ, heartbeat.VARIABLE: "1:12345"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_a_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    descriptor = logfile.open_log(path)
    for number in range(5):
        os.write(descriptor, b"x" * 60 + b"\n")
        assert logfile.rotate(path, limit=50, kept=2)
        os.write(descriptor, f"{number}\n".encode())
        assert logfile.tail(path) == [str(number)]
    os.close(descriptor)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["web.log", "web.log.1", "web.log.2"]


def test_a_data_folder_has_one_holder_and_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    holding.prepare(folder)
    with holding.held(folder):
        assert holding.is_held(folder)
        with pytest.raises(holding.AlreadyRunning), holding.held(folder):
            pass
    assert not holding.is_held(folder)
    left = subprocess.Popen(["sleep", "60"], env={processes.MARK: str(folder.path)})
    try:
        assert holding.clear_leftovers(folder) == 1
    finally:
        assert left.wait(5) == -signal.SIGTERM


def test_a_number_that_was_given_again_is_another_process() -> None:
    pid, started = processes.identity(os.getpid())
    assert processes.is_alive([pid, started])
    assert not processes.is_alive([pid, "0"])
    assert not processes.is_alive(None)


def test_a_stale_pid_file_of_postgresql_is_no_obstacle(tmp_path: Path) -> None:
    cluster = postgres.Cluster(tmp_path, postgres.wheel_programs(), postgres.Owner(), 1, "")
    note = tmp_path / "postmaster.pid"
    note.write_text(f"{os.getpid()}\n{tmp_path}\n")
    assert postgres.clear_leftovers(cluster)
    assert not note.exists()
    assert not postgres.clear_leftovers(cluster)
