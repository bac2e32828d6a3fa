"""The full verifier on what this service has made itself, before anybody gets it.

Every signature is checked against its certificate and the bytes that were written, always
(`embed`). This is the second look, by the code that judges strangers' files: on request, and for
some files of every batch. It is about our own signature; what earlier signers did is not our fault.
"""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from pdf.options import Level
from pdf.report import Indication
from signing.desk import Desk
from signing.errors import OutputRefused
from signing.judging import Question
from signing.models import Signature, SignRequest

if TYPE_CHECKING:
    from pdf.report import JSON

SAMPLE_EVERY: Final = 50
"""One file in so many of a batch, and always the first and the last."""


def is_sample(position: int, total: int) -> bool:
    """Say whether a file of a batch is one of those that are verified in full."""
    return position % SAMPLE_EVERY == 0 or position == total - 1


def check_output(
    desk: Desk,
    request_id: uuid.UUID,
    *,
    at: datetime,
    password: str | None = None,
    content: BinaryIO | None = None,
) -> None:
    """Verify the signed document of a request; raises OutputRefused with what is wrong.

    `content` is the file that a signature stands beside. A desk without a verifier
    (`Desk.judging`) cannot look, and says nothing.
    """
    if desk.judging is None:
        return
    with desk.sessions() as session:
        made = session.get_one(Signature, request_id)
        name = session.get_one(SignRequest, request_id).file_name
        field, level = made.field, Level(made.level)
    question = Question(file_name=name, at=at, checked_at=at, password=password)
    with desk.documents.open(request_id) as file:
        judging = desk.judging()
        beside = content is not None
        report = (
            judging.detached(file, content, question)
            if beside
            else judging.document(file, question)
        )
    wrong = _wrong(report, None if beside else field, level)
    if wrong is not None:
        where = "the signature beside the file" if beside else f"the signature in {field}"
        raise OutputRefused(f"our own verifier says {wrong} of {where}")


def _wrong(report: dict[str, "JSON"], field: str | None, level: Level) -> str | None:
    """Say what keeps our own signature from being what it was meant to be."""
    signatures = cast("list[dict[str, JSON]]", report["signatures"])
    ours = [each for each in signatures if each["field"] == field]
    if len(ours) != 1:
        return f"that there are {len(ours)} of them, {report['indication']}"
    found = ours[0]
    integrity = cast("dict[str, JSON]", found["integrity"])
    if found["indication"] == Indication.TOTAL_FAILED:
        return str(found["sub_indication"])
    if not (integrity["digest_match"] and integrity["signature_match"]):
        return "that it does not match"
    added = field is not None and level.reaches(Level.B_LT)
    covered = "WHOLE_REVISION" if added else "WHOLE_FILE"
    if integrity["coverage"] != covered:
        return f"coverage {integrity['coverage']}"
    reached = str(found["level"])
    return None if reached == level else f"level {reached} instead of {level}"
