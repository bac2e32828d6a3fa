"""Two drawings of one page compared point by point: where they differ, and what is gone.

Both come from the same program on the same machine, so that nothing differs but what a revision
changed. Runs in the worker of `pdfium`; rectangles here are in points of the pictures (pixels).
"""

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Pixels = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are outside."""

VISIBLE_STEP = 16
"""Differences of a colour (of 255) that count; smaller ones are rounding in blended colours."""
INK_STEP = 88
"""How much lighter dark content has to become to count as covered."""
LEAST_LOST = 10
"""Points of ink that have to be gone: less than the digit 1 in small print."""
MARGIN = 2
"""Points around a rectangle that its edges may touch."""
_RULE_HEIGHT, _RULE_LENGTH, _RULE_ROOM = 3, 24, 6
_TILE = 8
_MOST_BOXES = 50


def compare(
    before: Image.Image, after: Image.Image, *, allowed: list[Pixels]
) -> tuple[tuple[Pixels, ...], tuple[Pixels, ...]]:
    """Give where two pictures of a page differ: anywhere, and outside the given rectangles."""
    if before.size != after.size:
        whole = (0, 0, after.width, after.height)
        return (whole,), (whole,)
    mask = difference(before, after)
    rest = mask.copy()
    pen = ImageDraw.Draw(rest)
    for left, top, right, bottom in allowed:
        pen.rectangle((left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN), fill=0)
    return boxes(mask), boxes(rest)


def difference(before: Image.Image, after: Image.Image) -> Image.Image:
    """Give a mask of the points whose colour differs visibly."""
    bands = ImageChops.difference(before, after).split()
    most = bands[0]
    for band in bands[1:]:
        most = ImageChops.lighter(most, band)
    return most.point(lambda value: 255 * (value >= VISIBLE_STEP))


def hidden(
    content: Image.Image,
    before: Image.Image,
    after: Image.Image,
    *,
    free: list[Pixels],
    over: list[Pixels],
) -> tuple[Pixels, ...]:
    """Give where ink of the signed page content is gone below something that may not cover it.

    `content` is what must not be covered: the signed page without annotations where a seal may lie
    over an earlier signature, else all of it. Ink counts as gone when its points became much
    lighter; light writing on a dark ground when no trace of it is left.
    """
    if not content.size == before.size == after.size:
        return ()
    gone = Image.new("L", content.size, 0)
    for rectangle in over:
        sides = _within(rectangle, content.size)
        if sides is not None:
            cut = [picture.crop(sides) for picture in (content, before, after)]
            gone.paste(_gone(*cut), sides[:2])
    pen = ImageDraw.Draw(gone)
    for left, top, right, bottom in free:
        pen.rectangle((left, top, right, bottom), fill=0)
    return tuple(
        box for box in boxes(gone) if _count(gone, box) >= LEAST_LOST and not _is_rule(content, box)
    )


def _is_rule(content: Image.Image, box: Pixels) -> bool:
    """Tell whether what is gone was a line to sign on: long, thin, with nothing above or below."""
    left, top, right, bottom = box
    if bottom - top > _RULE_HEIGHT or right - left < _RULE_LENGTH:
        return False
    around = (left, max(0, top - _RULE_ROOM), right, min(content.height, bottom + _RULE_ROOM))
    ink = _mask(_darkness(content.crop(around)), INK_STEP)
    line = (0, top - around[1], right - left, bottom - around[1])
    return _count(ink, (0, 0, *ink.size)) - _count(ink, line) < LEAST_LOST


def _within(box: Pixels, size: tuple[int, int]) -> Pixels | None:
    left, top = max(0, box[0] - MARGIN), max(0, box[1] - MARGIN)
    right, bottom = min(size[0], box[2] + MARGIN), min(size[1], box[3] + MARGIN)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _gone(content: Image.Image, before: Image.Image, after: Image.Image) -> Image.Image:
    ink = ImageChops.darker(_darkness(content), _darkness(before))
    lighter = _mask(ImageChops.subtract(ink, _darkness(after)), INK_STEP)
    drowned = ImageChops.multiply(_drowned(content, after), _drowned(before, after))
    faded = ImageChops.lighter(lighter, _smoothed_away(before, after))
    return ImageChops.lighter(faded, drowned)


def _darkness(picture: Image.Image) -> Image.Image:
    """Give how far a point is from white in its strongest colour: red ink is as dark as black."""
    red, green, blue = picture.split()
    return ImageChops.invert(ImageChops.darker(ImageChops.darker(red, green), blue))


def _drowned(before: Image.Image, after: Image.Image) -> Image.Image:
    """Mask dark writing whose ground became as dark: what stands out from nothing is gone, too."""
    dark = before.convert("L")
    ground = dark.filter(ImageFilter.BoxBlur(6))
    written = _mask(ImageChops.subtract(ground, dark), INK_STEP)
    changed = difference(before, after).filter(ImageFilter.MaxFilter(5))
    return ImageChops.multiply(ImageChops.multiply(written, _even(after)), changed)


def _even(picture: Image.Image) -> Image.Image:
    """Mask the points around which everything has one colour."""
    grey = picture.convert("L")
    lowest, highest = grey.filter(ImageFilter.MinFilter(5)), grey.filter(ImageFilter.MaxFilter(5))
    return _mask(ImageChops.invert(ImageChops.subtract(highest, lowest)), 255 - VISIBLE_STEP)


def _smoothed_away(before: Image.Image, after: Image.Image) -> Image.Image:
    """Mask light writing on a dark ground that became one even colour."""
    light = before.convert("L")
    ground = light.filter(ImageFilter.BoxBlur(6))
    written = _mask(ImageChops.subtract(light, ground), INK_STEP)
    dark = _mask(ImageChops.invert(ground), 128)
    changed = difference(before, after)
    return ImageChops.multiply(
        ImageChops.multiply(written, dark), ImageChops.multiply(_even(after), changed)
    )


def _mask(picture: Image.Image, least: int) -> Image.Image:
    return picture.point(lambda value: 255 * (value >= least))


def _count(mask: Image.Image, box: Pixels) -> int:
    return sum(mask.crop(box).histogram()[128:])


def boxes(mask: Image.Image) -> tuple[Pixels, ...]:
    """Give rectangles around the white parts of a mask; parts that are close share one."""
    if mask.getbbox() is None:
        return ()
    grid = mask.filter(ImageFilter.MaxFilter(5)).reduce(_TILE)
    wide = grid.width
    marked = {index for index, value in enumerate(grid.tobytes()) if value}
    found: list[Pixels] = []
    while marked and len(found) < _MOST_BOXES:
        rough = _grown(marked, wide)
        left, top, right, bottom = (side * _TILE for side in rough)
        exact = mask.crop((left, top, min(right, mask.width), min(bottom, mask.height))).getbbox()
        if exact is not None:
            found.append((left + exact[0], top + exact[1], left + exact[2], top + exact[3]))
    if marked:
        rows = [index // wide for index in marked]
        columns = [index % wide for index in marked]
        sides = (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
        found.append((sides[0] * _TILE, sides[1] * _TILE, sides[2] * _TILE, sides[3] * _TILE))
    return tuple(sorted(found, key=lambda box: (box[1], box[0])))


def _grown(marked: set[int], wide: int) -> Pixels:
    """Take one connected part out of a set of tiles; give its sides."""
    queue = [min(marked)]
    marked.discard(queue[0])
    left, top, right, bottom = wide, 1 << 30, 0, 0
    while queue:
        index = queue.pop()
        row, column = divmod(index, wide)
        left, right = min(left, column), max(right, column + 1)
        top, bottom = min(top, row), max(bottom, row + 1)
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                near = index + down * wide + across
                if near in marked and 0 <= column + across < wide:
                    marked.discard(near)
                    queue.append(near)
    return left, top, right, bottom
