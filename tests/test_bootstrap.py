"""The set-up script, on a small tree with an installer that only writes down what it was asked.

The real installer, the real packages and a user without rights are a matter of minutes and of the
network: `make run` in a fresh clone is that test.
"""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

TEST_TOOLS = (
    *("softhsm2-util", "pkcs11-tool", "pdfsig", "qpdf", "openssl", "curl"),
    *("vpcd-config", "p11-kit", "pkcsslotd", "certtool"),
)

STAND_IN_UV = """\
#!/bin/sh
echo "$* | index=${UV_DEFAULT_INDEX-} links=${UV_FIND_LINKS-}" \\
    >>"$UV_CALLS"
case "$1 $2" in
"--version "*) echo "uv 0" ;;
"venv "*)
    mkdir -p .venv/bin
    printf '#!/bin/sh\\n' >.venv/bin/python
    cp .venv/bin/python .venv/bin/antin
    chmod +x .venv/bin/python .venv/bin/antin ;;
"pip sync") exit "${SYNC_FAILS-0}" ;;
esac
"""

# `pip config list`, as pip prints it for its own configuration files.
STAND_IN_PIP = """\
#!/bin/sh
[ "$*" = "-m pip config list" ] || exit 1
echo "global.extra-index-url='https://other.example/simple'"
echo "global.index-url='https://mirror.example/simple'"
"""


@dataclass(frozen=True)
class Machine:
    """A bare tree, and a machine of which only the named programs are on the PATH."""

    tree: Path
    bin: Path

    def bootstrap(
        self, set_name: str = "run", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.tree / "tools" / "bootstrap", set_name],
            env={
                "PATH": str(self.bin),
                "HOME": str(self.tree),
                "UV_CALLS": str(self.tree / "calls"),
                "ANTIN_PKCS11_MODULE": "",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """List what the installer was asked since the last look."""
        record = self.tree / "calls"
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith("--version")]

    def add_program(self, name: str, text: str) -> None:
        program = self.bin / name
        program.unlink(missing_ok=True)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    tree = tmp_path / "a tree with spaces"
    (tree / "tools").mkdir(parents=True)
    for name in ("tools/bootstrap", "pyproject.toml"):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(ROOT / "requirements", tree / "requirements")
    programs = tmp_path / "bin"
    programs.mkdir()
    ordinary = "sh env cat sed tr tail sha256sum mkdir rm id dirname flock cp chmod printf"
    for name in ordinary.split():
        found = shutil.which(name)
        if found:
            (programs / name).symlink_to(found)
    machine = Machine(tree=tree, bin=programs)
    machine.add_program("python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    machine.add_program("uv", STAND_IN_UV)
    return machine


def test_every_package_is_installed_by_its_hash(machine: Machine) -> None:
    outcome = machine.bootstrap()

    assert outcome.returncode == 0, outcome.stderr
    sync = next(call for call in machine.calls() if call.startswith("pip sync"))
    assert "--require-hashes" in sync
    assert "requirements/run.lock" in sync


def test_a_second_run_asks_nothing_and_is_quick(machine: Machine) -> None:
    machine.bootstrap()
    machine.calls()
    started = time.monotonic()

    outcome = machine.bootstrap()

    assert time.monotonic() - started < 5
    assert machine.calls() == []
    assert outcome.stderr == ""


def test_a_changed_lock_file_is_installed(machine: Machine) -> None:
    machine.bootstrap()
    machine.calls()
    with (machine.tree / "requirements" / "run.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")

    machine.bootstrap()

    assert any(call.startswith("pip sync") for call in machine.calls())


def test_a_tree_ready_for_tests_is_ready_to_run_but_not_the_other_way(machine: Machine) -> None:
    for command in TEST_TOOLS:
        machine.add_program(command, "#!/bin/sh\n")
    machine.bootstrap("run")
    machine.calls()

    machine.bootstrap("test")
    assert any("requirements/test.lock" in call for call in machine.calls())

    machine.bootstrap("run")
    assert machine.calls() == []


def test_a_moved_tree_gets_a_new_environment(machine: Machine) -> None:
    machine.bootstrap()
    machine.calls()
    moved = machine.tree.rename(machine.tree.with_name("elsewhere"))

    Machine(tree=moved, bin=machine.bin).bootstrap()

    assert any(call.startswith("venv") for call in Machine(tree=moved, bin=machine.bin).calls())


def test_a_failed_download_says_what_to_do_and_leaves_nothing_half_done(machine: Machine) -> None:
    outcome = machine.bootstrap(SYNC_FAILS="2")

    assert outcome.returncode == 1
    assert "PIP_INDEX_URL" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    machine.calls()
    assert machine.bootstrap().returncode == 0
    assert any(call.startswith("pip sync") for call in machine.calls())


def test_the_installer_takes_packages_from_where_pip_would(machine: Machine) -> None:
    machine.add_program("python3", STAND_IN_PIP)

    machine.bootstrap()

    assert all("index=https://mirror.example/simple " in call for call in machine.calls())


def test_a_folder_of_packages_serves_a_machine_without_network(machine: Machine) -> None:
    machine.bootstrap(PIP_NO_INDEX="1", PIP_FIND_LINKS="./wheels")

    sync = next(call for call in machine.calls() if call.startswith("pip sync"))
    assert "--no-index" in sync
    assert "links=./wheels" in sync


def test_without_pip_and_without_rights_one_line_says_what_to_install(machine: Machine) -> None:
    (machine.bin / "uv").unlink()
    machine.add_program("python3", "#!/bin/sh\nexit 1\n")
    machine.add_program("sudo", "#!/bin/sh\nexit 1\n")
    machine.add_program("id", "#!/bin/sh\necho 1000\n")

    outcome = machine.bootstrap()

    assert outcome.returncode == 1
    assert "apt-get install python3-pip" in outcome.stderr


def test_missing_softhsm_is_a_note_and_is_tried_once(machine: Machine) -> None:
    machine.add_program("id", "#!/bin/sh\necho 0\n")
    machine.add_program("apt-get", '#!/bin/sh\necho "$*" >>"$APT_CALLS"\nexit 100\n')
    calls = machine.tree / "apt-calls"
    environment = {"ANTIN_PKCS11_MODULE": "./none.so", "APT_CALLS": str(calls)}

    first = machine.bootstrap(**environment)
    asked = calls.read_text(encoding="utf-8").splitlines()
    second = machine.bootstrap(**environment)

    assert first.returncode == second.returncode == 0
    assert "soft:" in first.stderr
    assert "install" in asked[0]
    assert asked[0].endswith("softhsm2")
    assert calls.read_text(encoding="utf-8").splitlines() == asked


def test_tests_without_their_tools_name_every_missing_package(machine: Machine) -> None:
    machine.add_program("sudo", "#!/bin/sh\nexit 1\n")
    machine.add_program("id", "#!/bin/sh\necho 1000\n")

    outcome = machine.bootstrap("test")

    assert outcome.returncode == 1
    assert "apt-get install softhsm2 opensc poppler-utils qpdf openssl curl" in outcome.stderr


def test_the_checker_of_archives_stops_no_tests_and_is_asked_for_once(machine: Machine) -> None:
    for command in TEST_TOOLS:
        machine.add_program(command, "#!/bin/sh\n")
    machine.add_program("id", "#!/bin/sh\necho 0\n")
    machine.add_program("apt-get", '#!/bin/sh\necho "$*" >>"$APT_CALLS"\nexit 100\n')
    calls = machine.tree / "apt-calls"

    first = machine.bootstrap("test", APT_CALLS=str(calls))
    asked = calls.read_text(encoding="utf-8").splitlines()
    second = machine.bootstrap("test", APT_CALLS=str(calls))

    assert first.returncode == second.returncode == 0, first.stderr
    assert "libpdfbox2-java" in asked[0]
    assert "apt-get install default-jre-headless libpdfbox2-java" in second.stderr
    assert calls.read_text(encoding="utf-8").splitlines() == asked


def test_the_ci_command_is_the_one_everyone_has() -> None:
    command = ROOT / ".ci" / "run"

    assert os.access(command, os.X_OK)
    assert "make test" in command.read_text(encoding="utf-8")
