"""Say how to reach a portal: for people on the terminal, for tools in portal.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trading_portal.running.layout import DataFolder, read_json
from trading_portal.running.ports import HOST

ROLES = {"trader": "trader", "risk": "risk officer", "partner": "partner"}


def facts(folder: DataFolder, port: int, environment: Mapping[str, str]) -> dict[str, object]:
    """Return what portal.json holds."""
    demo = read_json(folder.demo)
    return {
        "url": f"http://{HOST}:{port}",
        "users": demo.get("users", {}),
        "api": demo.get("api", {}),
        "metrics_token": environment["METRICS_TOKEN"],
        "database_url": environment["DATABASE_URL"],
        "redis_url": environment["REDIS_URL"],
        "data_dir": str(folder.path),
        "logs": str(folder.logs),
        "cluster": read_json(folder.secrets).get("cluster"),
        "pids": {},
    }


def lines(found: dict[str, Any], folder: DataFolder, seconds: float) -> list[str]:
    """Return what a person needs to begin."""
    users, api = found["users"], found["api"]
    sign_ins = [
        f"  {ROLES.get(name, name):<14} {user['username']:<14} {user['password']}" for name, user in users.items()
    ]
    return [
        "",
        f"Trading Portal serves at {found['url']}   (ready after {seconds:.1f} s)",
        "",
        *sign_ins,
        f"  {'API key':<14} {api.get('key_id', '-')}",
        f"  {'API secret':<14} {api.get('secret_key', '-')}",
        "",
        f"  Logs in {folder.logs}, all of this in {folder.portal}",
        "  To stop: Ctrl-C here, or `make stop`. The data is kept.",
        "",
    ]
