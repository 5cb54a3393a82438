"""Run a Pushpin of one's own in front of a portal: Debian's, on free ports, in a temporary folder, with its zurl."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from trading_portal.kernel import clock
from trading_portal.running import bootstrap, logfile, packages, ports, processes
from trading_portal.running.problems import Problem

MISSING = "No Pushpin is to be had here"
PROGRAMS = ("pushpin", "pushpin-proxy", "pushpin-handler", "condure", "zurl")
# Where Pushpin itself answers, with a stream that it holds at the second.
OWN = "/pushpin"
HOLDS = f"{OWN}/stream"
PROBE_SECONDS = 0.5
START_SECONDS = 20.0
STOP_SECONDS = 5.0

# What differs from Debian's own pushpin.conf is said in docs/pushpin.md, which a server of one's own follows.
_PUSHPIN = """\
[global]
include={{libdir}}/internal.conf
rundir={folder}
ipc_prefix=p-

[runner]
services=condure,pushpin-proxy,pushpin-handler
http_port={host}:{port}
logdir={folder}
log_level=2
client_buffer_size=8192
client_maxconn=200

[proxy]
routesfile=routes
zurl_out_specs=ipc://{folder}/zurl-in
zurl_out_stream_specs=ipc://{folder}/zurl-in-stream
zurl_in_specs=ipc://{folder}/zurl-out
sig_iss=pushpin
sig_key={key}
x_forwarded_for=truncate:0,append

[handler]
push_in_spec=ipc://{folder}/push
push_in_sub_specs=ipc://{folder}/push-sub
command_spec=ipc://{folder}/command
push_in_http_addr={host}
push_in_http_port={control_port}
push_in_http_max_body_size=1000000
stats_spec=ipc://{folder}/stats
message_rate=2500
message_hwm=25000
message_wait=500
id_cache_ttl=60
"""
_ZURL = """\
[General]
in_spec=ipc://{folder}/zurl-in
in_stream_spec=ipc://{folder}/zurl-in-stream
out_spec=ipc://{folder}/zurl-out
defpolicy=allow
timeout=600
"""


@dataclass(slots=True)
class Pushpin:
    """One Pushpin: where clients reach it, where it is told what to push, and the key both sides hold."""

    folder: Path
    origin: str
    key: str
    port: int
    control_port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)

    @property
    def address(self) -> str:
        """Return host:port for clients."""
        return f"{ports.HOST}:{self.port}"

    @property
    def grip_url(self) -> str:
        """Return what GRIP_URL must be."""
        return f"http://{ports.HOST}:{self.control_port}/?key={self.key}"

    def start(self) -> None:
        """Start it and wait until the origin answers through it, and it holds; raise Problem when it does not.

        Pushpin takes requests a moment before it can hold them, and answers 500 to what it should hold by then.
        """
        log = logfile.open_log(self.folder / "output.log")
        try:
            for command in (["zurl", f"--config={self.folder}/zurl.conf"], ["pushpin", f"--config={self.folder}/conf"]):
                self._processes.append(_spawn(command, self.folder, log))
        finally:
            os.close(log)
        deadline = clock.monotonic() + START_SECONDS
        while not (_answers(self.control_port) and _answers(self.port) and _answers(self.port, HOLDS)):
            if clock.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                raise Problem("Pushpin did not start:", *logfile.tail(self.folder / "output.log", 40))
            time.sleep(0.02)

    def stop(self) -> None:
        """End all of its processes; harmless when repeated."""
        processes.end(self._pids, seconds=STOP_SECONDS)
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        processes.send(self._pids(), number)

    def _pids(self) -> list[int]:
        return processes.working_in(self.folder)


def find() -> bool:
    """Tell whether a Pushpin is here, after installing one where that is possible."""
    return _is_present() or (packages.install("pushpin", "zurl") and _is_present())


@contextlib.contextmanager
def running(origin: str, key: str) -> Iterator[Pushpin]:
    """Run a Pushpin in front of an address; stop it and forget its folder at the end."""
    with tempfile.TemporaryDirectory(prefix="pushpin-") as name:
        proxy = Pushpin(Path(name), origin, key, ports.free_port(), ports.free_port())
        values = {
            "folder": name, "host": ports.HOST, "port": proxy.port, "control_port": proxy.control_port, "key": key,
        }  # fmt: skip
        (proxy.folder / "conf").write_text(_PUSHPIN.format(**values))
        (proxy.folder / "zurl.conf").write_text(_ZURL.format(**values))
        (proxy.folder / "routes").write_text(f"*,path_beg={OWN} test\n* {origin}\n")
        try:
            proxy.start()
            yield proxy
        finally:
            proxy.stop()


def _answers(port: int, path: str = "/") -> bool:
    """Tell whether a request is answered, with a line, and not for a part of Pushpin that is missing."""
    asked = http.client.HTTPConnection(ports.HOST, port, timeout=PROBE_SECONDS)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        answer.readline()
        return answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()


def _is_present() -> bool:
    return all(bootstrap.find_program(program) for program in PROGRAMS)


def _spawn(command: Sequence[str], folder: Path, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
