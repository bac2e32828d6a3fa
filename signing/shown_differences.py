"""Pictures of changed pages on their way: from a worker, and beside a kept report."""

from collections.abc import Mapping, Sequence
from typing import cast

from pdf.change_kinds import Box
from pdf.differences import MOST_PICTURES, Difference
from signing.frames import Frame

HEADS = "differences"


def difference_heads(differences: Sequence[Difference]) -> dict[str, object]:
    """Give all about pictures but the pictures as JSON, in their order."""
    heads = [
        {
            "signature": one.signature,
            "page": one.page,
            "forbidden": one.forbidden,
            "boxes": [list(box) for box in one.boxes],
            "spots": [list(spot) for spot in one.spots],
        }
        for one in differences
    ]
    return {HEADS: heads}


def told_differences(answer: Frame) -> tuple[Difference, ...]:
    """Read the pictures of a worker's answer; those that make no sense are left out."""
    heads = answer.head.get(HEADS)
    if not isinstance(heads, list) or len(heads) > MOST_PICTURES:
        return ()
    return read_differences(heads, answer.parts)


def read_differences(
    heads: Sequence[Mapping[str, object]], pngs: Sequence[bytes]
) -> tuple[Difference, ...]:
    """Put heads and pictures together; empty where they do not fit each other."""
    try:
        return tuple(_read(head, png) for head, png in zip(heads, pngs, strict=True))
    except (KeyError, TypeError, ValueError):
        return ()


def _read(head: Mapping[str, object], png: bytes) -> Difference:
    boxes = cast("list[list[float]]", head["boxes"])
    spots = cast("list[list[float]]", head["spots"])
    return Difference(
        signature=int(cast("int", head["signature"])),
        page=int(cast("int", head["page"])),
        forbidden=bool(head["forbidden"]),
        boxes=tuple(_box(box) for box in boxes),
        spots=tuple((float(across), float(down)) for across, down in spots),
        png=png,
    )


def _box(sides: Sequence[float]) -> Box:
    left, bottom, right, top = (float(side) for side in sides)
    return left, bottom, right, top
