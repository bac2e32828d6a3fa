import inspect
import re

import pytest

from ca import errors
from ca.errors import CaError

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, CaError)
]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?:  |$)", line)
        if found:
            depth = len(found.group(1)) // 4
            above[depth:] = [found.group(2)]
            drawn[found.group(2)] = above[depth - 1] if depth else "Exception"
    assert drawn == {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES}


def test_codes_are_snake_case_and_tell_classes_apart() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_says_what_to_do_in_a_sentence(cls: type[CaError]) -> None:
    assert re.fullmatch(r"[A-Z].{15,250}[.…]", cls.advice)
    assert cls.__doc__
