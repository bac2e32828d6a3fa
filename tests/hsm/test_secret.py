import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.secret import Secret

VALUE = "0912-bí-mật"


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: format(s, "s"),
        lambda s: "%s %r" % (s, s),  # noqa: UP031 - the old way of formatting must hide as well
        lambda s: repr({"pin": [s]}),
        lambda s: str(ValueError(s)),
    ],
)
def test_a_secret_is_hidden_however_it_is_shown(shown) -> None:  # noqa: ANN001 - a small lambda
    text = shown(Secret(VALUE))

    assert VALUE not in text
    assert "hidden" in text


def test_a_secret_is_not_pickled_and_not_hashed_and_not_json() -> None:
    secret = Secret(VALUE)

    with pytest.raises(TypeError, match="not serialised"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        vars(secret)


def test_a_copy_of_a_secret_is_the_same_object() -> None:
    secret = Secret(VALUE)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@given(st.text(), st.text())
def test_secrets_are_equal_exactly_when_their_values_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert Secret(one) == Secret(one.encode())
    assert Secret(one).reveal_text() == one
    assert bool(Secret(one)) == bool(one)


def test_a_secret_is_never_equal_to_its_plain_value() -> None:
    assert Secret(VALUE) != VALUE
    assert Secret(VALUE) != VALUE.encode()


def test_a_secret_that_is_not_text_says_so_without_its_value() -> None:
    with pytest.raises(ValueError, match="not UTF-8") as caught:
        Secret(b"\xff\xfe123456").reveal_text()

    assert caught.value.__cause__ is None
    assert "123456" not in str(caught.value)
