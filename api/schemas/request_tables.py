"""Tables of requests: what became of each row."""

import uuid
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel

from api.schemas.imports import RowProblemOut
from ca.request_tables import RowOutcome


class RequestRowOut(BaseModel):
    """One row: the request that it became, or everything that is wrong with it."""

    row: int
    label: str
    request_id: uuid.UUID | None
    problems: list[RowProblemOut]

    @classmethod
    def of(cls, outcome: RowOutcome) -> Self:
        """Show a row."""
        return cls(
            row=outcome.row.number,
            label=outcome.row.label,
            request_id=outcome.request_id,
            problems=[RowProblemOut.model_validate(one.to_dict()) for one in outcome.problems],
        )


class RequestTableOut(BaseModel):
    """A table whose every row became a request."""

    stored: int
    items: list[RequestRowOut]

    @classmethod
    def of(cls, outcomes: Sequence[RowOutcome]) -> Self:
        """Show the rows."""
        return cls(stored=len(outcomes), items=[RequestRowOut.of(one) for one in outcomes])
