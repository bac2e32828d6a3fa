"""The arithmetic of the benchmark table."""

import pytest

from tests.bench.row import Row, Unit


def row(value: float, unit: Unit, reference: float, goal: float | None = None) -> Row:
    return Row(
        name="x",
        value=value,
        unit=unit,
        reference_name="r",
        reference_value=reference,
        goal=goal,
    )


def test_more_per_second_than_the_reference_is_a_ratio_above_one() -> None:
    assert row(200, "per_s", 100).ratio == 2


@pytest.mark.parametrize("unit", ["ms_cpu", "ms_p95", "MB"])
def test_less_time_or_memory_than_the_reference_is_a_ratio_above_one(unit: Unit) -> None:
    assert row(5, unit, 10).ratio == 2


def test_a_goal_is_the_least_ratio_that_holds() -> None:
    assert row(50, "per_s", 100, goal=0.5).holds
    assert row(49, "per_s", 100, goal=0.5).holds is False
    assert row(49, "per_s", 100).holds is None


def test_a_value_no_ratio_can_be_made_of_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        row(0, "per_s", 100)


def test_the_json_has_the_shape_of_the_report() -> None:
    assert row(5, "ms_cpu", 10, goal=1).to_dict() == {
        "name": "x",
        "value": 5,
        "unit": "ms_cpu",
        "reference": {"name": "r", "value": 10},
        "ratio": 2,
        "goal": 1,
        "holds": True,
    }
