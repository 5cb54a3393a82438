"""What stands in the way of a start is said in a sentence, with a way out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from trading_portal.running import assets, bootstrap, holding, layout, provision, servers, static_files, table
from trading_portal.running.layout import MANAGE, ROOT, DataFolder
from trading_portal.running.problems import Problem


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """Give a folder that this process may not write, whoever runs the tests."""
    path = Path(tempfile.mkdtemp(prefix="portal-foreign-"))
    path.chmod(0o555)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    yield path
    os.seteuid(me)
    path.rmdir()


@pytest.mark.parametrize(("value", "says"), [("0", "1 to 65535"), ("eight", "1 to 65535"), ("٨٠", "1 to 65535")])
def test_a_port_that_is_none_is_refused(value: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        layout.port({"PORTAL_PORT": value})


def test_a_folder_of_another_user_is_named_with_its_owner_and_a_way_out(foreign_folder: Path) -> None:
    owner = layout.user_name(foreign_folder.stat().st_uid)
    with pytest.raises(Problem, match=f"belongs to {owner}") as refused:
        holding.prepare(DataFolder(foreign_folder))
    assert refused.value.way_out[0].startswith("sudo chown -R ")
    assert "PORTAL_DATA_DIR=" in refused.value.way_out[1]
    with pytest.raises(Problem, match="cannot be made") as refused:
        holding.prepare(DataFolder(foreign_folder / "data"))
    assert len(refused.value.way_out) == 1


def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Problem, match="is a file") as refused:
        holding.prepare(DataFolder(tmp_path / "data"))
    assert refused.value.way_out == (f"rm {tmp_path / 'data'}",)


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    first = holding.read_secrets(folder)
    assert holding.read_secrets(folder) == first
    assert folder.secrets.stat().st_mode & 0o777 == 0o600
    assert len({first[name] for name in holding.SECRETS}) == len(holding.SECRETS)


def test_packages_are_installed_again_when_the_pins_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", Path(sys.executable))
    for name in (bootstrap.RUNTIME, bootstrap.DEVELOPMENT):
        (tmp_path / name).write_text("django==5.2.19\n")
    assert not bootstrap.is_current(bootstrap.RUNTIME)
    layout.write_json(bootstrap.STAMP, {bootstrap.DEVELOPMENT: bootstrap.fingerprint(bootstrap.DEVELOPMENT)})
    assert bootstrap.is_current(bootstrap.RUNTIME)
    layout.write_json(bootstrap.STAMP, {**layout.read_json(bootstrap.STAMP), "place": "/where/it/was"})
    assert not bootstrap.is_current(bootstrap.RUNTIME)
    (tmp_path / bootstrap.DEVELOPMENT).write_text("django==5.2.20\n")
    assert not bootstrap.is_current(bootstrap.DEVELOPMENT)


def test_the_sprite_holds_each_icon_of_the_list_once(tmp_path: Path) -> None:
    (tmp_path / "bell.svg").write_text('<!-- licence -->\n<svg\n  class="x"\n>\n  <path d="M1 1" />\n</svg>\n')
    names = assets.icon_names("# icons\nbell # rings\n\nbell\n")
    drawn = assets.sprite(tmp_path, names)
    assert drawn.count("<symbol") == 1
    assert '<path d="M1 1" /></symbol>' in drawn
    with pytest.raises(Problem, match="'whistle'"):
        assets.sprite(tmp_path, ["whistle"])


def test_no_lock_file_names_a_host() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-uv.txt", "requirements-node.txt"):
        assert "://" not in (ROOT / name).read_text()
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text()


def test_an_unknown_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="daphne or uvicorn"):
        table.programs({"PORTAL_ASGI": "gunicorn"}, DataFolder(tmp_path), 8000)


@pytest.mark.parametrize("named", ["0", "two", "65", "-1"])
def test_a_number_of_web_processes_that_is_none_is_refused(tmp_path: Path, named: str) -> None:
    with pytest.raises(Problem, match="1 to 64"):
        table.programs({"PORTAL_WEB_PROCESSES": named}, DataFolder(tmp_path), 8000)


def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    nowhere = {"DATABASE_URL": "postgres://a:b@127.0.0.1:1/c", "REDIS_URL": "redis://127.0.0.1:1/0"}
    with pytest.raises(Problem, match="DATABASE_URL"):
        servers.start_postgres(None, DataFolder(tmp_path), nowhere, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(Problem, match="REDIS_URL"):
        servers.start_valkey(None, DataFolder(tmp_path), nowhere, lambda: None)  # type: ignore[arg-type]


def test_a_server_of_ones_own_needs_the_role_or_the_right_to_make_it() -> None:
    owner = os.environ["DATABASE_URL"]
    provision.provision_server(owner)
    secrets = holding.read_secrets(DataFolder(settings.DATA_DIR))
    superuser = f"postgres://postgres:{secrets['postgres_password']}@{owner.rpartition('@')[2]}"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS stranger")
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
        with pytest.raises(Problem, match="may not make the role") as refused:
            provision.provision_server(f"postgres://stranger:stranger@{owner.rpartition('@')[2]}")
        connection.execute("DROP ROLE stranger")
    assert "  CREATE ROLE portal_app NOLOGIN;" in refused.value.way_out


def test_words_that_a_command_does_not_know_are_refused() -> None:
    done = subprocess.run([sys.executable, MANAGE, "up", "--fast"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "takes no further words" in done.stderr


def test_static_files_are_collected_again_only_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_files, "ROOT", tmp_path)
    monkeypatch.setattr(static_files.bootstrap, "fingerprint", lambda *_: "")
    folder = DataFolder(tmp_path / ".data")
    (folder.path / "static").mkdir(parents=True)
    (tmp_path / "static").mkdir()
    assert not static_files.are_current(folder)
    static_files.note_current(folder)
    assert static_files.are_current(folder)
    (tmp_path / "static" / "page.css").write_text("body {}")
    assert not static_files.are_current(folder)
