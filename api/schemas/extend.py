"""What `/extend` takes."""

from pydantic import Field

from api.schemas.options import Options
from pdf.options import Level


class ExtendOptionsIn(Options):
    """To which level the signatures of a document are to be raised."""

    level: Level = Field(
        default=Level.B_LTA,
        description="B-T, B-LT or B-LTA; B-LTA once more adds a new archive time-stamp",
    )
    password: str | None = Field(default=None, max_length=1000, repr=False)
