"""The contract between the rooms is checked by machine, and the check itself is checked.

Each violation below is planted into a copy of the tree; `lint-imports` has to name the contract.
"""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("api", "agent", "signing", "ca", "pdf", "hsm", "db")
LINTER = Path(sys.executable).with_name("lint-imports")


@dataclass(frozen=True)
class Violation:
    """Files that break one contract: room -> the text of its planted module."""

    contract: str
    planted: dict[str, str]

    def __str__(self) -> str:
        return f"{self.contract}: {', '.join(self.planted.values())}".replace("\n", "; ")


VIOLATIONS = [
    Violation("rooms import downwards only", {"db/planted.py": "import ca.errors"}),
    Violation("rooms import downwards only", {"hsm/planted.py": "import db.base"}),
    Violation("rooms import downwards only", {"db/planted.py": "import hsm.errors"}),
    Violation("rooms import downwards only", {"ca/planted.py": "import pdf.errors"}),
    Violation("rooms import downwards only", {"pdf/planted.py": "import ca.errors"}),
    Violation("rooms import downwards only", {"ca/planted.py": "import signing.errors"}),
    Violation("rooms import downwards only", {"signing/planted.py": "import api.errors"}),
    Violation("rooms import downwards only", {"api/planted.py": "import agent"}),
    Violation("pdf stands alone", {"pdf/planted.py": "from sqlalchemy import orm"}),
    Violation("pdf stands alone", {"pdf/planted.py": "import hsm.errors"}),
    Violation("pdf stands alone", {"pdf/planted.py": "def door():\n    import fastapi"}),
    Violation("hsm stands alone", {"hsm/planted.py": "import sqlalchemy"}),
    Violation("hsm stands alone", {"hsm/planted.py": "from pdf import errors"}),
    Violation("agent uses only pdf and hsm", {"agent/planted.py": "import db.session"}),
    Violation("agent uses only pdf and hsm", {"agent/planted.py": "from ca import errors"}),
    Violation("agent uses only pdf and hsm", {"agent/planted.py": "import signing.errors"}),
    Violation("only hsm speaks PKCS#11", {"ca/planted.py": "import pkcs11"}),
    Violation("only pdf speaks pyHanko", {"ca/planted.py": "from pyhanko.sign import signers"}),
    Violation("only pdf speaks pyHanko", {"signing/planted.py": "import pyhanko"}),
    Violation(
        "only pdf and ca build certificate paths",
        {"signing/planted.py": "from pyhanko_certvalidator import context"},
    ),
    Violation("only api and agent speak HTTP", {"signing/planted.py": "import fastapi"}),
    Violation("only api and agent speak HTTP", {"ca/planted.py": "from starlette import requests"}),
    Violation("only api and agent speak HTTP", {"db/planted.py": "import uvicorn"}),
    Violation("only db queues jobs", {"signing/planted.py": "import procrastinate"}),
    Violation("nobody imports tests or migrations", {"ca/planted.py": "import tests.bench.row"}),
    Violation("nobody imports tests or migrations", {"db/planted.py": "import migrations"}),
    Violation(
        "no import cycle inside a room",
        {
            "ca/planted.py": "from ca import planted_too",
            "ca/planted_too.py": "from ca import planted",
        },
    ),
]


@pytest.fixture(scope="module")
def copy_of_the_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    for room in ROOMS:
        for source in (ROOT / room).rglob("*.py"):
            target = tree / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return tree


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINTER, "--no-cache"],
        cwd=tree,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_tree_keeps_every_contract(copy_of_the_tree: Path) -> None:
    outcome = lint(copy_of_the_tree)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("violation", VIOLATIONS, ids=str)
def test_a_planted_violation_is_named(violation: Violation, copy_of_the_tree: Path) -> None:
    planted = {copy_of_the_tree / path: text for path, text in violation.planted.items()}
    try:
        for path, text in planted.items():
            path.write_text(text + "\n")
        outcome = lint(copy_of_the_tree)
    finally:
        for path in planted:
            path.unlink()

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert f"{violation.contract} BROKEN" in outcome.stdout


def test_every_contract_has_a_planted_violation() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}

    assert contracts == {violation.contract for violation in VIOLATIONS}


# What import-linter cannot see: rooms take the environment and the clock as arguments.

# The vault only writes: SoftHSM learns from the environment alone where its configuration is.
USERS_OF_THE_ENVIRONMENT = {"api/settings.py", "agent/settings.py", "api/vault.py"}
ENVIRONMENT = {("os", "environ"), ("os", "getenv")}
CLOCK = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time")}


def attributes_used(source: str) -> set[tuple[str, str]]:
    """Find every `name.attribute` of a module, also behind another dot (datetime.datetime.now)."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if isinstance(owner, ast.Attribute):
                found.add((owner.attr, node.attr))
            elif isinstance(owner, ast.Name):
                found.add((owner.id, node.attr))
        elif isinstance(node, ast.ImportFrom):
            found.update((node.module or "", name.name) for name in node.names)
    return found


def sources(*rooms: str) -> list[str]:
    return [
        path.relative_to(ROOT).as_posix() for room in rooms for path in (ROOT / room).rglob("*.py")
    ]


def test_the_attribute_finder_sees_every_spelling() -> None:
    source = "from os import getenv\nimport os, datetime\nos.environ\ndatetime.datetime.now()"

    assert attributes_used(source) >= {("os", "getenv"), ("os", "environ"), ("datetime", "now")}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name
        for name in sources(*ROOMS)
        if attributes_used((ROOT / name).read_text(encoding="utf-8")) & ENVIRONMENT
    }

    assert readers <= USERS_OF_THE_ENVIRONMENT


def test_no_room_below_the_doors_looks_at_the_clock() -> None:
    lookers = {
        name
        for name in sources("signing", "ca", "pdf", "hsm", "db")
        if attributes_used((ROOT / name).read_text(encoding="utf-8")) & CLOCK
    }

    assert not lookers
