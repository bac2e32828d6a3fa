"""What `/verify` takes; the report has the shape that the PDF room gives it."""

import uuid
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import AwareDatetime, Field

from api.errors import ParameterInvalid
from api.schemas.lists import Schema
from api.schemas.options import Options
from api.uploads import Upload
from signing.judging import Question
from signing.receipt_models import VerificationTombstone

MAX_TRUST_CHARACTERS = 256 * 1024


class VerifyOptionsIn(Options):
    """How a document is to be judged."""

    at: AwareDatetime | None = Field(default=None, description="The moment judged for; now")
    trust: str | list[str] | None = Field(
        default=None, description="PEM certificates to trust instead of the installation's own"
    )
    store: bool = Field(
        default=False, description="Keep the report and its evidence, never the document"
    )
    pictures: bool = Field(
        default=False,
        description="With `store`: also keep pictures of pages that were changed after signing. "
        "They show the document's content.",
    )
    password: str | None = Field(default=None, max_length=1000, repr=False)

    @classmethod
    def parse(cls, options: object) -> Self:
        """Read the options; raises ParameterInvalid with the name of the first that is wrong."""
        asked = super().parse(options)
        if len(asked.trust_pem()) > MAX_TRUST_CHARACTERS:
            raise ParameterInvalid("trust", f"more than {MAX_TRUST_CHARACTERS} characters")
        return asked

    def question(self, now: datetime, upload: Upload) -> Question:
        """Give the question about an upload; a detached signature's name is its content's."""
        return Question(
            file_name=upload.name if upload.content is None else upload.content.name,
            at=self.at or now,
            checked_at=now,
            password=self.password,
        )

    def trust_pem(self) -> str:
        """Return the certificates to trust as one PEM text; empty for the installation's own."""
        given = self.trust if isinstance(self.trust, list) else [self.trust or ""]
        return "\n".join(given).strip()

    def anchors(self) -> tuple[bytes, ...]:
        """Return the DER certificates to trust; empty for the installation's own."""
        text = self.trust_pem()
        if not text:
            return ()
        try:
            found = x509.load_pem_x509_certificates(text.encode())
        except ValueError as error:
            raise ParameterInvalid("trust", "certificates as PEM are expected") from error
        return tuple(one.public_bytes(Encoding.DER) for one in found)


class DifferenceOut(Schema):
    """A page that shows something else than when it was signed; the picture is beside it."""

    number: int = Field(description="From 1, as in `/differences/{number}.png`")
    signature: int = Field(description="Index of the signature in the report")
    page: int
    forbidden: bool = Field(description="Whether any change after this signature is forbidden")
    boxes: list[tuple[float, float, float, float]] = Field(
        description="Left, bottom, right, top of each place that differs, in points of the page"
    )


class DestroyIn(Schema):
    """Why a kept report is destroyed."""

    reason: str = Field(min_length=1, max_length=500)


class TombstoneOut(Schema):
    """What is left of a destroyed report."""

    verification_id: uuid.UUID
    destroyed_at: AwareDatetime
    destroyed_by: str
    reason: str

    @classmethod
    def of(cls, row: VerificationTombstone) -> Self:
        """Show a tombstone."""
        return cls(
            verification_id=row.verification_id,
            destroyed_at=row.destroyed_at,
            destroyed_by=row.destroyed_by,
            reason=row.reason,
        )


class ReplayOut(Schema):
    """A verdict repeated from its evidence, and whether it is the same."""

    same: bool
    report: dict[str, object]
