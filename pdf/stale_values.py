"""Fields that show something else than their value: programs read one thing, people another.

Such a field may be prepared before signing, so that another reader, which draws values anew, shows
what nobody signed. It is a warning, not a verdict: forms of sloppy programs look the same. Only
what can be told for certain is told: plain letters in fonts that are encoded as usual.
"""

from pdf.appearance_text import fonts, shows_value, value_text
from pdf.errors import PdfError
from pdf.field_visibility import HIDDEN
from pdf.signature_fields import Field, fields
from pdf.syntax import PdfDict
from pdf.view import View

MOST_FIELDS = 500
_PASSWORD = 1 << 13  # ISO 32000-2 table 231
_USUAL = frozenset({"WinAnsiEncoding", "MacRomanEncoding", "PDFDocEncoding", "StandardEncoding"})


def shows_other_values(view: View) -> bool:
    """Tell whether any text or choice field shows another text than its value."""
    catalog = view.catalog
    form = view.dictionary(catalog.get("AcroForm")) if isinstance(catalog, PdfDict) else None
    if form is None or view.resolve(form.get("NeedAppearances")) is True:
        return False
    try:
        valued = [one for one in fields(view) if one.kind in {"Tx", "Ch"} and one.value is not None]
        return any(_stale(view, one) for one in valued[:MOST_FIELDS])
    except PdfError:
        return False


def _stale(view: View, field: Field) -> bool:
    value = view.resolve(field.value)
    words = value_text(view, value)
    flags = view.resolve(field.dictionary.get("Ff"))
    secret = isinstance(flags, int) and bool(flags & _PASSWORD)
    if not words.isascii() or secret or "AA" in field.dictionary:
        return False  # formatted by a script, or not to be read
    widgets = [field.dictionary, *map(view.dictionary, view.array(field.dictionary.get("Kids")))]
    return any(
        shows_value(view, widget["AP"], value, choice=field.kind == "Ch") is False
        for widget in widgets
        if widget is not None and "AP" in widget and _legible(view, widget)
    )


def _legible(view: View, widget: PdfDict) -> bool:
    """Tell whether the widget is shown, with one drawing, in fonts whose codes are letters."""
    flags = view.resolve(widget.get("F"))
    if isinstance(flags, int) and flags & HIDDEN:
        return False
    named = [view.dictionary(font) for font in fonts(view, widget["AP"])]
    return bool(named) and all(font is not None and _usual(view, font) for font in named)


def _usual(view: View, font: PdfDict) -> bool:
    encoding = view.resolve(font.get("Encoding"))
    if isinstance(encoding, PdfDict):
        return "Differences" not in encoding
    embedded = "FontDescriptor" in font
    return view.name(font.get("Subtype")) in {"Type1", "TrueType"} and (
        encoding in _USUAL or (encoding is None and not embedded)
    )
