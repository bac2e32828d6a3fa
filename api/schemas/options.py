"""Options beside a file: parts of a form or of the query, read by hand because the file streams."""

from typing import Self

from pydantic import ValidationError

from api.errors import ParameterInvalid
from api.schemas.lists import Schema


class Options(Schema):
    """Root of the options of every call that takes a file."""

    @classmethod
    def parse(cls, options: object) -> Self:
        """Read the options; raises ParameterInvalid with the name of the first that is wrong."""
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "options"
            raise ParameterInvalid(where, first["msg"]) from error
