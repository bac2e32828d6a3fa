"""`antin certificates request-many`: the requests of a whole list, from a table."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.installation import installation, operator
from api.commands.output import FAILED, AsJson, complain, err, print_json
from ca import request_tables
from ca.request_tables import RowOutcome

SHOWN = 50


def request_many(
    file: Annotated[Path, typer.Argument(help="CSV or XLSX with a CSR in each row.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Put in a request for every row of a table, or none; prints the ids for `issue-batch`.

    Columns by their headings, Vietnamese or English: code of the organisation, full name, CSR (PEM
    or Base64), national id for persons, and as wanted kind, post and e-mail. Another person has the
    certificates issued. Exit code 1 when a row has a problem; then nothing was stored.
    """
    with installation() as wiring:
        rows = request_tables.read(file.read_bytes())
        with wiring.sessions.begin() as session:
            outcomes = request_tables.submit(session, rows, at=wiring.clock(), actor=operator())
    failed = [outcome for outcome in outcomes if outcome.problems]
    if as_json:
        print_json([_shown(outcome) for outcome in outcomes])
    elif not failed:
        typer.echo("\n".join(str(outcome.request_id) for outcome in outcomes))
    if failed:
        _tell(failed)
        complain(f"{len(failed)} of {len(outcomes)} rows", "Correct them and give the file again.")
        raise typer.Exit(FAILED)


def _shown(outcome: RowOutcome) -> dict[str, object]:
    return {
        "row": outcome.row.number,
        "label": outcome.row.label,
        "request_id": str(outcome.request_id) if outcome.request_id else None,
        "problems": [problem.to_dict() for problem in outcome.problems],
    }


def _tell(failed: list[RowOutcome]) -> None:
    for outcome in failed[:SHOWN]:
        for problem in outcome.problems:
            told, row = problem.to_dict(), outcome.row.number
            err.print(f"row {row}: {told['en']} / dòng {row}: {told['vi']}")
    if len(failed) > SHOWN:
        err.print(f"… and {len(failed) - SHOWN} more rows; see --json")
