"""One line of the benchmark table: what was measured, and what it is measured against.

A figure alone says little about the code and much about the machine. Every row therefore carries a
reference measured in the same run on the same machine: a physical limit, or a peer. The ratio is
always the right way up: 1.0 is as good as the reference, more is better, also for units where a
smaller value is better.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["ms_cpu", "ms_wall", "per_s", "ms_p95", "MB", "ratio"]

SMALLER_IS_BETTER: frozenset[str] = frozenset({"ms_cpu", "ms_wall", "ms_p95", "MB"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measurement beside its reference.

    `name` is dotted, the room's word first ("sign.b-b.50kB"). `value` and `reference_value` are in
    `unit`; both are above zero. `goal` is the least ratio that satisfies us (None: no goal, the row
    informs). `higher_is_better` is taken from the unit when left out.
    """

    name: str
    value: float
    unit: Unit
    reference_name: str
    reference_value: float
    goal: float | None = None
    higher_is_better: bool | None = None

    def __post_init__(self) -> None:
        """Refuse values a ratio cannot be made of."""
        if self.value <= 0 or self.reference_value <= 0:
            raise ValueError(f"{self.name}: the value and its reference must be above zero")

    @property
    def ratio(self) -> float:
        """How well the value stands beside its reference; more than 1.0 is better than it."""
        higher = self.higher_is_better
        if higher is None:
            higher = self.unit not in SMALLER_IS_BETTER
        return self.value / self.reference_value if higher else self.reference_value / self.value

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        return None if self.goal is None else self.ratio >= self.goal

    def to_dict(self) -> dict[str, object]:
        """Render the row as it stands in out/bench.json."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "reference": {"name": self.reference_name, "value": self.reference_value},
            "ratio": self.ratio,
            "goal": self.goal,
            "holds": self.holds,
        }


class RowProvider(Protocol):
    """What a tests/bench/bench_*.py module offers: `rows()`, measuring as it is iterated."""

    def rows(self) -> Iterable[Row]:
        """Measure and yield, one row after the other."""
        ...
