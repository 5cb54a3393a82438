"""The shape that the design promises, held by tests where the import linter cannot see it."""

import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

import trading_portal

ROOT = Path(__file__).parent.parent
STACK = ["audit", "accounts", "marketdata", "positions", "risk", "orders"]
# Read models that may name other apps' tables: reviewed, and only for reading.
READ_MODELS = {
    "orders/invariants/moves.py",
    "orders/invariants/rows.py",
    "orders/invariants/sending.py",
    "orders/selectors/shown.py",
}


def own_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in STACK]


def test_every_foreign_key_points_down_the_stack():
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in own_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and field.related_model._meta.app_label in STACK
        and STACK.index(field.related_model._meta.app_label) > STACK.index(model._meta.app_label)
    ]
    assert upward == []


def test_the_composition_names_every_module_but_its_kernel():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    top = next(contract for contract in contracts if contract["type"] == "layers")["layers"][0]
    named = {name.strip() for name in re.split(r"[:|]", top)}
    there = {f"trading_portal.{module.name}" for module in pkgutil.iter_modules(trading_portal.__path__)}
    assert named == there - {"trading_portal.kernel"}


def test_the_composition_package_is_empty():
    assert (ROOT / "trading_portal" / "__init__.py").read_text() == ""


TABLE = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+(audit|accounts|marketdata|positions|risk|orders)_[a-z]+", re.I
)


@pytest.mark.parametrize("app", STACK)
def test_sql_text_names_only_its_own_apps_tables(app):
    strangers = [
        f"{path.relative_to(ROOT)}: {found.group(0)}"
        for path in (ROOT / app).rglob("*.py")
        if "tests" not in path.parts and "migrations" not in path.parts
        and str(path.relative_to(ROOT)) not in READ_MODELS
        for found in TABLE.finditer(path.read_text())
        if found.group(1).lower() != app
    ]  # fmt: skip
    assert strangers == []


CLOCKS = re.compile(r"datetime\.now\(|timezone\.now\(|time\.time\(|datetime\.utcnow\(|\bNow\(\)|auto_now")


def test_only_the_kernel_reads_the_clock():
    readers = [
        str(path.relative_to(ROOT))
        for app in [*STACK, "trading_portal"]
        for path in (ROOT / app).rglob("*.py")
        if "tests" not in path.parts and "kernel" not in path.parts and "running" not in path.parts
        and CLOCKS.search(path.read_text())
    ]  # fmt: skip
    assert readers == []


def test_no_import_is_let_through_by_an_exception():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts if "ignore_imports" in contract] == []
