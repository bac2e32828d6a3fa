"""The form of a plain document: none yet, or one that holds nothing but ordinary signatures.

That is what a document looks like between its signers, so the second and third signature are as
cheap as the first. Locks, certifications, empty fields, other kinds of fields and nested fields
are not plain: what they permit is decided with the object layer.
"""

import re
from dataclasses import dataclass

from pdf.document import View
from pdf.earlier import Earlier
from pdf.objects import Ref
from pdf.page_geometry import Box
from pdf.plain_object import Found, copied
from pdf.syntax import Name as ReadName
from pdf.syntax import PdfDict, PdfObject
from pdf.syntax import Ref as ReadRef

_ENTRIES = frozenset({"Fields", "SigFlags", "DA", "DR"})
_APPEND_ONLY = 3
_REFERENCES = rb"((?:\s*\d+\s+\d+\s+R)*)\s*\]"


@dataclass(frozen=True)
class PlainForm:
    """The form's object, the names of its fields, and its signatures."""

    found: Found | None
    names: frozenset[str] = frozenset()
    signatures: tuple[Earlier, ...] = ()

    def free_name(self) -> str:
        """Give the first name of the usual series that no field has."""
        number = len(self.signatures) + 1
        while f"Signature{number}" in self.names:
            number += 1
        return f"Signature{number}"


def plain_form(view: View, catalog: PdfDict) -> PlainForm | None:
    """Read the form; None when it is more than plain."""
    reference = catalog.get("AcroForm")
    if reference is None:
        return PlainForm(None)
    form = view.dictionary(reference)
    if form is None or not isinstance(reference, ReadRef) or not form.keys() <= _ENTRIES:
        return None
    listed = form.get("Fields")
    if form.get("SigFlags") != _APPEND_ONLY or not isinstance(listed, list) or not listed:
        return None
    found = copied(view, reference)
    if found is None or grown(found, "Fields", Ref(0)) is None:
        return None
    names, signatures = set(), []
    for each in listed:
        field = _signed_field(view, each)
        if field is None:
            return None
        names.add(field[0])
        signatures.append(field[1])
    return PlainForm(found, frozenset(names), tuple(signatures))


def _signed_field(view: View, reference: PdfObject) -> tuple[str, Earlier] | None:
    """Give the name and the signature of a signed field without locks."""
    field = view.dictionary(reference)
    if field is None or view.name(field.get("FT")) != ReadName("Sig"):
        return None
    if field.keys() & {"Kids", "Parent", "Lock"}:
        return None
    name, home = view.resolve(field.get("T")), field.get("P")
    signature = view.dictionary(field.get("V"))
    corners = [view.resolve(each) for each in view.array(field.get("Rect"))]
    if signature is None or "Reference" in signature or not isinstance(name, bytes):
        return None
    if not name.isascii() or not isinstance(home, ReadRef):
        return None
    match corners:
        case [
            int() | float() as a,
            int() | float() as b,
            int() | float() as c,
            int() | float() as d,
        ]:
            box = (float(a), float(b), float(c), float(d))
            return name.decode(), _earlier(view, signature, Ref(*home), box)
    return None


def _earlier(view: View, signature: PdfDict, home: Ref, box: Box) -> Earlier:
    contents = view.resolve(signature.get("Contents"))
    covered = [view.resolve(each) for each in view.array(signature.get("ByteRange"))]
    end = sum(each for each in covered[2:] if isinstance(each, int))
    return Earlier(home, box, contents if isinstance(contents, bytes) else b"", end)


def grown(found: Found, key: str, added: Ref) -> Found | None:
    """Add a reference to a direct array of references; None unless the key stands there once."""
    word = b"/" + key.encode()
    matches = list(re.finditer(word + rb"\s*\[" + _REFERENCES, found.body))
    if len(matches) != 1 or found.body.count(word) != 1:
        return None
    end = matches[0].end() - 1
    reference = b" %d %d R" % (added.number, added.generation)
    return Found(found.reference, found.body[:end] + reference + found.body[end:])
