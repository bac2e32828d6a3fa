"""Templates of one's own: data that is held to limits."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdf.appearance import Stamp
from pdf.errors import TemplateInvalid
from pdf.presets import Align, ImageRole
from pdf.spot import Corner
from pdf.templates import MAX_TEMPLATE_BYTES, read_template, template_from
from tests.pdf.signing_kit import blank_pdf, sign
from tests.pdf.test_stamps import text_of

FULL = """
name = "so-noi-vu.chuyen"
title_vi = "Dấu chuyển"
lines = ["{organization}", "Chuyển: {to}", "Mức: {level}", "{date}"]
words = ["to", {name = "level", default = "Thường", choices = ["Thường", "Khẩn"]}]
align = "centre"
font_size = 9
frame = true
page = 1
corner = "top-left"
margin_mm = [15, 40.5]
in_force_from = "2026-03-01"
source = "Quyết định nội bộ"
"""


def test_a_toml_template_is_drawn_with_its_words(tmp_path: Path) -> None:
    preset = read_template(FULL.encode())
    assert (preset.align, preset.habit.corner) == (Align.CENTRE, Corner.TOP_LEFT)
    stamp = Stamp(template=preset, words={"to": "Phòng Tổng hợp", "level": "khẩn"})
    text = text_of(sign(blank_pdf(2), stamp=stamp), tmp_path, "-l", "1")
    assert "Chuyển: Phòng Tổng hợp" in text
    assert "Mức: Khẩn" in text
    plain = text_of(sign(blank_pdf(), stamp=Stamp(template=preset)), tmp_path)
    assert "Mức: Thường" in plain
    assert "Chuyển" not in plain


def test_json_says_the_same() -> None:
    preset = read_template(json.dumps({"name": "a", "lines": ["{name}"]}).encode())
    assert preset.image is ImageRole.NONE
    assert preset.lines == ("{name}",)


def test_words_that_look_like_words_are_not_filled_twice(tmp_path: Path) -> None:
    preset = template_from({"name": "a", "lines": ["{to}"], "words": ["to"]})
    signed = sign(blank_pdf(), stamp=Stamp(template=preset, words={"to": "{name} {reason}"}))
    assert "{name} {reason}" in text_of(signed, tmp_path)


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ({}, "name"),
        ({"name": "nd30.agency", "lines": ["x"]}, "name"),
        ({"name": "../x", "lines": ["x"]}, "name"),
        ({"name": "a"}, "lines"),
        ({"name": "a", "lines": "x"}, "lines"),
        ({"name": "a", "lines": ["x"] * 41}, "lines"),
        ({"name": "a", "lines": ["x" * 501]}, "lines"),
        ({"name": "a", "lines": ["{unknown}"]}, "lines"),
        ({"name": "a", "lines": ["x"], "font_size": 1}, "font_size"),
        ({"name": "a", "lines": ["x"], "font_size": float("nan")}, "font_size"),
        ({"name": "a", "lines": ["x"], "font_size": True}, "font_size"),
        ({"name": "a", "lines": ["x"], "image_height_mm": 9999}, "image_height_mm"),
        ({"name": "a", "lines": ["x"], "page": 0}, "page"),
        ({"name": "a", "lines": ["x"], "corner": "middle"}, "corner"),
        ({"name": "a", "lines": ["x"], "corner": ["top-left"]}, "corner"),
        ({"name": "a", "lines": ["x"], "margin_mm": [1]}, "margin_mm"),
        ({"name": "a", "lines": ["x"], "margin_mm": [-1, 2]}, "margin_mm"),
        ({"name": "a", "lines": ["x"], "words": ["Name!"]}, "words"),
        ({"name": "a", "lines": ["x"], "words": ["name"]}, "words"),
        ({"name": "a", "lines": ["x"], "words": ["b", "b"]}, "words"),
        ({"name": "a", "lines": ["x"], "words": [{"name": "b", "default": "{name}"}]}, "words"),
        ({"name": "a", "lines": ["x"], "words": [{"name": "b", "choices": [1]}]}, "words"),
        ({"name": "a", "lines": ["x"], "frame": "yes"}, "frame"),
        ({"name": "a", "lines": ["x"], "in_force_from": "soon"}, "in_force_from"),
        ({"name": "a", "lines": ["x"], "covers": 0.3}, "covers"),
        ({"name": "a", "lines": ["x"], "after_person": False}, "after_person"),
        ([], "template"),
    ],
)
def test_what_breaks_a_rule_is_named(entries: object, where: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        template_from(entries)
    assert refused.value.where == where


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe", b"{", b"= x", b"x" * (MAX_TEMPLATE_BYTES + 1), b"[" * 100_000, b'{"a":' * 9000],
    ids=["bytes", "json", "toml", "large", "deep", "deep json"],
)
def test_a_file_that_is_no_template_is_refused(data: bytes) -> None:
    with pytest.raises(TemplateInvalid):
        read_template(data)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
_KEYS = st.sampled_from(["name", "lines", "words", "image", "align", "font_size", "page", "corner",
                         "margin_mm", "frame", "in_force_from", "title_vi", "x"])  # fmt: skip


@given(st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_whatever_is_sent_is_a_template_or_refused(entries: dict[str, object]) -> None:
    with contextlib.suppress(TemplateInvalid):
        assert template_from(entries).name == entries["name"]
