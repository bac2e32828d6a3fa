"""`antin verify`: a verdict on every file, in worker processes that are killed at their time-out.

No server, no database. A hostile file can keep its worker busy or bring it down; the answer is then
INDETERMINATE for that file, and the others are not touched. Exit codes are those of the help text.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import Progress

from api.commands.moments import time_given
from api.commands.output import complain, err, out, told
from api.commands.output_files import appearing
from api.commands.verify_pool import Task, Unreadable, inside, verify_all
from api.commands.verify_text import describe
from api.commands.verify_trust import anchors_and_terms
from api.errors import ParameterInvalid
from ca.algorithm_policy_file import policy_text
from pdf.differences import Difference
from pdf.report import JSON
from pdf.report_words import Language
from signing.judging import OwnAnchors
from signing.report_forms import Form, render

Pictured = dict[int, tuple[Difference, ...]]
DEFAULT_SECONDS: Final = 30.0
EXIT_CODES: Final = {
    "TOTAL_PASSED": 0,
    "TOTAL_FAILED": 1,
    "INDETERMINATE": 2,
    "NO_SIGNATURE": 3,
    "NOT_A_PDF": 4,
}
_WORST_FIRST: Final = ("TOTAL_FAILED", "INDETERMINATE", "NOT_A_PDF", "NO_SIGNATURE")
FORMATS: Final = ("text", "json", "xml", "html")


def verify(  # noqa: PLR0913 -- one parameter for each option of the command
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
    trusted: Annotated[
        list[Path] | None, typer.Option("--trust", help="PEM file or folder; repeatable.")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Judge for this time (RFC 3339); now.")] = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no CRL or OCSP server.")] = False,
    report: Annotated[str, typer.Option("--format", help="text, json, xml or html.")] = "text",
    timeout: Annotated[float, typer.Option(help="Seconds a file.", min=0.1)] = DEFAULT_SECONDS,
    password: Annotated[str | None, typer.Option(help="Opens encrypted PDFs.")] = None,
    content: Annotated[
        Path | None, typer.Option(help="The file that a detached signature (.p7s) was made over.")
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="TOML with dated rules for algorithms (SHA-1 below anchors)."),
    ] = None,
    lists: Annotated[
        list[Path] | None,
        typer.Option("--trusted-list", help="XML of ETSI TS 119 612; repeatable."),
    ] = None,
    list_signer: Annotated[
        Path | None, typer.Option(help="Certificate of the trusted lists' signer.")
    ] = None,
    language: Annotated[Language, typer.Option(help="Of an HTML report.")] = Language.VI,
    differences: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures (PNG) of pages changed after signing."),
    ] = None,
    notice: Annotated[
        bool, typer.Option("--notice", help="With html: the notice that returns the document.")
    ] = False,
) -> None:
    """Verify the signatures of PDF files, of files signed with CMS (.p7s), and of .edxml messages.

    Exit codes: 0 every signature TOTAL_PASSED; 1 any TOTAL_FAILED; 2 any INDETERMINATE and none
    failed; 3 no signature; 4 not a readable PDF.
    """
    with told(2):
        if report not in FORMATS:
            raise ParameterInvalid("--format", "expected one of " + ", ".join(FORMATS))
        files = inside(files)
        if not files:
            raise ParameterInvalid("FILES", "there is no .pdf, .p7s or .edxml in the folder")
        now = datetime.now(UTC)
        moment = time_given(at, "--at") or now
        anchors, terms = anchors_and_terms(trusted, lists, list_signer, at=now)
        if content is not None and len(files) != 1:
            raise ParameterInvalid("--content", "one signature file is expected beside it")
        if report in {"xml", "html"} and len(files) != 1:
            raise ParameterInvalid("--format", f"{report} is written for one file at a time")
        tasks = [Task(file, moment, now, password, content) for file in files]
        rules = None if policy is None else policy_text(policy)
        pictured: Pictured | None = {} if differences is not None or report == "html" else None
        judge = OwnAnchors(anchors, offline, rules, terms)
        found = _run(tasks, judge, timeout=timeout, pictured=pictured)
        reports = [found[index] for index in sorted(found)]
        if differences is not None and pictured:
            _write(differences, tasks, pictured)
    if report == "text":
        for one in reports:
            out.print(describe(one))
    elif reports:
        with told(2):
            wanted = Form.NOTICE_HTML if notice else Form(report)
            shown = reports[0] if len(tasks) == 1 else reports
            drawn = (pictured or {}).get(0, ())
            written = render(shown, wanted, language=language, differences=drawn)
            typer.echo(written.content, nl=False)
    unread = ["NOT_A_PDF"] * (len(tasks) - len(reports))
    code = exit_code([str(one["indication"]) for one in reports] + unread)
    if code:
        raise typer.Exit(code)


def exit_code(indications: Sequence[str]) -> int:
    """Return the code for all files together: the worst verdict counts."""
    for word in _WORST_FIRST:
        if word in indications:
            return EXIT_CODES[word]
    return 0


def _run(
    tasks: Sequence[Task],
    judge: OwnAnchors,
    *,
    timeout: float,
    pictured: Pictured | None,
) -> dict[int, Mapping[str, JSON]]:
    """Judge every file; those that cannot be opened are told about and left out."""
    found: dict[int, Mapping[str, JSON]] = {}
    with Progress(
        console=err, transient=True, auto_refresh=False, disable=len(tasks) == 1
    ) as progress:
        bar = progress.add_task("Kiểm tra / verifying", total=len(tasks))
        judged = verify_all(tasks, judge, timeout=timeout, pictured=pictured)
        for index, one in judged:
            if isinstance(one, Unreadable):
                complain(
                    f"{tasks[index].file}: {one.problem}",
                    "Check the file's name and rights. / Kiểm tra tên tệp và quyền đọc.",
                )
            else:
                found[index] = one
            progress.update(bar, advance=1, refresh=True)
    return found


def _write(folder: Path, tasks: Sequence[Task], pictured: Pictured) -> None:
    """Write the pictures, named after the file, the signature and the page."""
    for index, drawn in sorted(pictured.items()):
        stem = tasks[index].file.stem
        for one in drawn:
            name = f"{stem}-signature{one.signature + 1}-page{one.page}.png"
            with appearing(folder / name) as target:
                target.write(one.png)
            err.print(f"{folder / name}", markup=False, highlight=False, soft_wrap=True)
