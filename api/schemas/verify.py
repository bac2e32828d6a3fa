"""What `/verify` takes; the report has the shape that the PDF room gives it."""

from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import AwareDatetime, Field, ValidationError

from api.errors import ParameterInvalid
from api.schemas.lists import Schema

MAX_TRUST_CHARACTERS = 256 * 1024


class VerifyOptionsIn(Schema):
    """How a document is to be judged."""

    at: AwareDatetime | None = Field(default=None, description="The moment judged for; now")
    trust: str | list[str] | None = Field(
        default=None, description="PEM certificates to trust instead of the installation's own"
    )
    store: bool = Field(default=False, description="Keep the report, never the document")
    password: str | None = Field(default=None, max_length=1000, repr=False)

    @classmethod
    def parse(cls, options: object) -> Self:
        """Read the options; raises ParameterInvalid with the name of the first that is wrong."""
        try:
            asked = cls.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "options"
            raise ParameterInvalid(where, first["msg"]) from error
        if len(asked.trust_pem()) > MAX_TRUST_CHARACTERS:
            raise ParameterInvalid("trust", f"more than {MAX_TRUST_CHARACTERS} characters")
        return asked

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
