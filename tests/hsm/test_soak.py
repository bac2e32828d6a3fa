import pytest

from tests.hsm.soak import Soaked, soak

pytestmark = [pytest.mark.token, pytest.mark.slow]


def test_thirty_two_clients_on_four_tokens_make_five_thousand_right_signatures() -> None:
    """The long run of a hundred thousand is `make bench ONLY=soak`."""
    assert soak(5_000) == Soaked(signatures=5_000, errors=(), refused_by_us=0)
