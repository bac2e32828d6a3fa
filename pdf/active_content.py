"""What in a document acts or changes by itself: scripts, launches, content from elsewhere.

A signature covers bytes. Where a script or a linked file decides what people see, two readers may
see two things under one signature, so signers are told beforehand. Every object that the newest
revision defines is looked at, within a limit. Source: ISO 32000-2 sections 12.6 (actions), 7.11
(file specifications), 8.10.4 (reference XObjects), 13 (multimedia), annex K (XFA).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pdf.errors import PdfError
from pdf.syntax import PdfDict, PdfObject, Ref, Stream
from pdf.view import View

MOST_OBJECTS = 200_000
"""Objects looked at; the longest documents have some ten thousand."""
MOST_DEPTH = 32
MOST_PLACES = 20
"""Places named for one kind; more of them say nothing new."""

_ACTIONS = {
    "JavaScript": "JAVASCRIPT",
    "Rendition": "MULTIMEDIA",
    "Launch": "LAUNCH_ACTION",
    "SubmitForm": "SUBMIT_ACTION",
    "ImportData": "IMPORT_ACTION",
    "GoToR": "EXTERNAL_LINK",
    "GoToE": "EXTERNAL_LINK",
    "Thread": "EXTERNAL_LINK",
    "URI": "WEB_LINK",
}
_SUBTYPES = {
    "RichMedia": "MULTIMEDIA",
    "Movie": "MULTIMEDIA",
    "Sound": "MULTIMEDIA",
    "Screen": "MULTIMEDIA",
    "3D": "MULTIMEDIA",
    "FileAttachment": "ATTACHMENT",
}


@dataclass(frozen=True)
class Active:
    """One kind of content that acts, and the numbers of the objects where it stands."""

    code: str
    objects: tuple[int, ...]


@dataclass(frozen=True)
class ActiveContent:
    """Everything found; `complete` is False when there was too much to look at all of it."""

    found: tuple[Active, ...]
    complete: bool


def active_content(view: View) -> ActiveContent:
    """Look through the newest revision; what cannot be read acts for nobody and is passed over."""
    places: dict[str, list[int]] = {}
    complete = True
    for number in sorted(view.entries):
        if number > MOST_OBJECTS:
            complete = False
            break
        try:
            value = view.object(number)
            for code in set(_codes(value, 0)):
                places.setdefault(code, []).append(number)
        except PdfError:
            complete = False
    for code in _of_catalog(view):
        places.setdefault(code, [])
    found = (Active(code, tuple(at[:MOST_PLACES])) for code, at in sorted(places.items()))
    return ActiveContent(tuple(found), complete)


def _of_catalog(view: View) -> Iterator[str]:
    catalog = view.catalog
    if not isinstance(catalog, PdfDict):
        return
    opening = view.dictionary(catalog.get("OpenAction"))
    if opening is not None and view.name(opening.get("S")) not in {None, "GoTo"}:
        yield "OPEN_ACTION"
    names = view.dictionary(catalog.get("Names"))
    if names is not None and "JavaScript" in names:
        yield "JAVASCRIPT"
    if names is not None and "EmbeddedFiles" in names:
        yield "ATTACHMENT"
    if "Collection" in catalog:
        yield "PORTFOLIO"
    layers = view.dictionary(catalog.get("OCProperties"))
    if layers is not None:
        yield "LAYERS"
    form = view.dictionary(catalog.get("AcroForm"))
    if form is not None and "XFA" in form:
        yield "XFA_FORM"
    if form is not None and view.resolve(form.get("NeedAppearances")) is True:
        yield "NEED_APPEARANCES"


def _codes(value: PdfObject, depth: int) -> Iterator[str]:
    """Give the kinds of what stands directly in an object; references lead to other objects."""
    if depth > MOST_DEPTH or isinstance(value, Ref):
        return
    if isinstance(value, Stream):
        if "F" in value.entries:
            yield "EXTERNAL_STREAM"
        yield from _codes(value.entries, depth)
    elif isinstance(value, list):
        for each in value:
            yield from _codes(each, depth + 1)
    elif isinstance(value, PdfDict):
        yield from _of_dictionary(value)
        for each in value.values():
            yield from _codes(each, depth + 1)


def _of_dictionary(value: PdfDict) -> Iterator[str]:
    action = value.get("S")
    if isinstance(action, str) and action in _ACTIONS:
        yield _ACTIONS[action]
    if "JS" in value:
        yield "JAVASCRIPT"
    if "AA" in value:
        yield "ADDITIONAL_ACTIONS"
    subtype = value.get("Subtype")
    if isinstance(subtype, str) and subtype in _SUBTYPES:
        yield _SUBTYPES[subtype]
    if subtype == "Form" and "Ref" in value:
        yield "EXTERNAL_STREAM"
    if "OPI" in value:
        yield "EXTERNAL_STREAM"
