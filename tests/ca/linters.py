"""pkilint's own commands, run in this process: what they print at WARNING or above."""

import contextlib
import io
import warnings
from pathlib import Path

from pkilint.bin import lint_crl, lint_etsi_cert, lint_ocsp_response, lint_pkix_cert

WARNING = ("-s", "WARNING")


def certificate_findings(file: Path) -> str:
    return _run(lint_pkix_cert.main, "lint", *WARNING, str(file))


def etsi_findings(file: Path, kind: str) -> str:
    """`kind` is one of the command's own, such as NCP-NATURAL-PERSON."""
    return _run(lint_etsi_cert.main, "lint", "-t", f"{kind}-CERTIFICATE", *WARNING, str(file))


def crl_findings(file: Path) -> str:
    return _run(lint_crl.main, "lint", "-t", "CRL", "-p", "PKIX", *WARNING, str(file))


def ocsp_findings(file: Path) -> str:
    return _run(lint_ocsp_response.main, "lint", *WARNING, str(file))


def _run(command: object, *arguments: str) -> str:
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", ResourceWarning)  # argparse leaves the file open
        code = command(list(arguments))  # type: ignore[operator]
    return printed.getvalue().strip() if code == 0 else f"{code}: {printed.getvalue()}"
