"""What `/extend` takes."""

from typing import Self

from pydantic import Field, ValidationError

from api.errors import ParameterInvalid
from api.schemas.lists import Schema
from pdf.options import Level


class ExtendOptionsIn(Schema):
    """To which level the signatures of a document are to be raised."""

    level: Level = Field(
        default=Level.B_LTA,
        description="B-T, B-LT or B-LTA; B-LTA once more adds a new archive time-stamp",
    )
    password: str | None = Field(default=None, max_length=1000, repr=False)

    @classmethod
    def parse(cls, options: object) -> Self:
        """Read the options; raises ParameterInvalid with the name of the first that is wrong."""
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "options"
            raise ParameterInvalid(where, first["msg"]) from error
