"""Whether what a field shows still follows from its value after a later revision.

Structure tells most of it: states of buttons, texts in simple fonts, fonts that were there before.
Where glyph numbers stand for letters it cannot tell; then the value that has to be read on the
page goes along with the change, and the page is looked at (`pictures`).
"""

from dataclasses import dataclass

from pdf.appearance_text import fonts as fonts_of
from pdf.appearance_text import shows_value, value_text
from pdf.comparison import Comparison
from pdf.field_visibility import HIDDEN
from pdf.syntax import PdfDict, PdfObject, Ref, same

_MAX_DEPTH = 60


@dataclass(frozen=True)
class FieldChange:
    """A field before and after; `item` is the new one as it is listed."""

    old: PdfDict
    new: PdfDict
    item: PdfObject
    name: str
    owner: int | None
    kind: str | None


@dataclass(frozen=True)
class Shown:
    """The answer; `says` is what has to be read on the page where structure does not decide."""

    follows: bool
    says: str | None = None


YES, NO = Shown(follows=True), Shown(follows=False)


def follows_from_value(c: Comparison, field: FieldChange, touched: set[str]) -> Shown:  # noqa: PLR0911 -- each return is one way to show another thing
    """Say whether what a field shows still follows from its value."""
    old, new = field.old, field.new
    before, after = c.old.resolve(old.get("F")), c.new.resolve(new.get("F"))
    hidden = [flags & HIDDEN if isinstance(flags, int) else 0 for flags in (before, after)]
    if hidden[0] != hidden[1]:
        return NO
    value = c.new.resolve(new["V"]) if "V" in new else inherited_value(c, new)
    if field.kind == "Btn":
        if "AP" in touched and "AP" in old and not _same_states(c, old, new):
            return NO
        return Shown("AS" not in touched or _state_fits(c, new, value))
    if touched & {"DA", "MK"} and "V" not in touched and "AP" not in touched:
        return NO
    if "AP" not in touched:
        return Shown("AS" not in touched)
    shown = shows_value(c.new, new.get("AP"), value, choice=field.kind == "Ch")
    if "V" in touched:
        return Shown(shown is not False, value_text(c.new, value) if shown is None else None)
    if not _showed_it_before(c, old, value, field.kind):
        return NO  # The value was there, but whoever signed saw something else.
    drawn_with = fonts_of(c.new, new.get("AP"))
    known = all(same(font, _defined_before(c, font)) for font in drawn_with)
    return Shown(shown is True and known)


def _showed_it_before(c: Comparison, old: PdfDict, value: PdfObject, kind: str | None) -> bool:
    """Tell whether the signed revision already showed this value."""
    if "AP" in old:
        return shows_value(c.old, old["AP"], value, choice=kind == "Ch") is True
    catalog = c.old.catalog
    form = catalog.get("AcroForm") if isinstance(catalog, PdfDict) else None
    settings = c.old.dictionary(form)
    return settings is not None and c.old.resolve(settings.get("NeedAppearances")) is True


def _defined_before(c: Comparison, font: PdfObject) -> PdfObject:
    """Give the font itself when the old revision had it and it did not change, else null."""
    if not isinstance(font, Ref) or font.number in c.changed:
        return None
    return font if c.old.object(font.number) is not None else None


def _state_fits(c: Comparison, node: PdfDict, value: PdfObject) -> bool:
    """Say whether a button's state is its value, or off where the value is another button's."""
    state = c.new.name(node.get("AS"))
    appearance = c.new.dictionary(node.get("AP")) or PdfDict()
    states = c.new.dictionary(appearance.get("N")) or PdfDict()
    if state is not None and state != "Off":
        return state == value
    return value is None or value == "Off" or value not in states


def _same_states(c: Comparison, old: PdfDict, new: PdfDict) -> bool:
    one, two = c.old.dictionary(old.get("AP")), c.new.dictionary(new.get("AP"))
    return one is not None and two is not None and not c.touched(one, two)


def inherited_value(c: Comparison, node: PdfDict) -> PdfObject:
    """Give the value that a field has from those above it."""
    current = c.new.dictionary(node.get("Parent"))
    for _ in range(_MAX_DEPTH):
        if current is None:
            return None
        if "V" in current:
            return c.new.resolve(current["V"])
        current = c.new.dictionary(current.get("Parent"))
    return None
