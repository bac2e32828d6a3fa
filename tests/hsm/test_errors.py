import inspect
import re

import pytest

from hsm import errors
from hsm.errors import HsmError

CLASSES = [
    item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, HsmError)
]


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_says_what_happened_and_what_to_do(error: type[HsmError]) -> None:
    made = error("something")

    assert str(made) == "something"
    assert made.diagnostics().endswith(".")
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)


def test_codes_are_unique_and_the_tree_in_the_docstring_is_complete() -> None:
    assert len({error.code for error in CLASSES}) == len(CLASSES)
    for error in CLASSES:
        assert error.__name__ in (errors.__doc__ or "")


def test_a_wrong_pin_warns_before_the_last_try() -> None:
    assert "locks" in errors.PinIncorrect("no", tries_left="final").diagnostics()
    assert "few tries" in errors.PinIncorrect("no", tries_left="low").diagnostics()
    assert errors.PinIncorrect("no").tries_left == "unknown"
