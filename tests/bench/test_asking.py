"""Asking the bench: what it can measure is told without measuring anything."""

import pytest

from tests.bench.__main__ import HERE, main, options, subjects


def test_the_help_names_every_subject_and_what_it_is_about() -> None:
    told = options().format_help()
    for path in HERE.glob("bench_*.py"):
        subject = path.stem.removeprefix("bench_")
        (line,) = [line for line in told.splitlines() if line.split()[:1] == [subject]]
        assert len(line.split()) > 3
    assert "--size" in told


def test_a_prefix_names_its_subject_and_those_that_begin_like_it() -> None:
    assert subjects("soak") == ["soak"]
    assert {"sign", "sign_kinds", "sign_levels"} <= set(subjects("sign"))
    assert subjects("hsm.rsa")[0] == "hsm"


@pytest.mark.parametrize("asked", [["sign", "--size", "10"], ["soak", "--size", "0"], ["--size=1"]])
def test_a_size_is_for_the_soak_alone(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2
    assert "soak" in capsys.readouterr().err
