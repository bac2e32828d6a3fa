"""The gnutls command lines as a third opinion."""

import subprocess
from pathlib import Path


def certtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return _run("certtool", *arguments)


def ocsptool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return _run("ocsptool", *arguments)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, arguments)), capture_output=True, text=True, check=False, timeout=60
    )
