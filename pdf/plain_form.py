"""The form of a plain document: none yet, or one of ordinary signatures and fields to fill in.

That is what a document looks like between its signers, so the second and third signature are as
cheap as the first. Locks, certifications, empty signature fields and nested fields are not plain:
what they permit is decided with the object layer.
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass

from pdf.document import View
from pdf.earlier import Earlier
from pdf.objects import Ref
from pdf.page_geometry import Box
from pdf.plain_object import Found, can_grow, copied, grown, leads
from pdf.signature_objects import SIGNATURES_EXIST_APPEND_ONLY
from pdf.syntax import Name as ReadName
from pdf.syntax import PdfDict, PdfObject
from pdf.syntax import Ref as ReadRef

_ENTRIES = frozenset({"Fields", "SigFlags", "DA", "DR", "Q", "CO"})
_TO_FILL_IN = frozenset({ReadName("Tx"), ReadName("Btn"), ReadName("Ch")})
_MOST_FIELDS = 256
_OTHER_ENCODINGS = (BOM_UTF16_LE, BOM_UTF8)


@dataclass(frozen=True)
class PlainForm:
    """The form's object, or that there is none; the names of its fields, and its signatures.

    `inside` says that the form stands in the catalog itself, which then is its object; `flagged`
    that it says already that there are signatures.
    """

    found: Found | None
    names: frozenset[str] = frozenset()
    signatures: tuple[Earlier, ...] = ()
    inside: bool = False
    flagged: bool = True

    def free_name(self) -> str:
        """Give the first name of the usual series that no field has."""
        number = len(self.signatures) + 1
        while f"Signature{number}" in self.names:
            number += 1
        return f"Signature{number}"

    def with_field(self, catalog: Found, field: Ref) -> tuple[Found, Found | None]:
        """List a field: give the catalog, changed if the form is in it, and the form if not."""
        if self.found is None:
            return catalog, None
        if self.inside:
            return grown(catalog, "Fields", field) or catalog, None
        listed = grown(self.found, "Fields", field)
        if listed is None or self.flagged:
            return catalog, listed
        return catalog, listed.with_entry("SigFlags", SIGNATURES_EXIST_APPEND_ONLY)


def plain_form(view: View, catalog: PdfDict, catalog_found: Found) -> PlainForm | None:
    """Read the form; None when it is more than plain."""
    if "AcroForm" not in catalog:
        return PlainForm(None)
    reference = catalog["AcroForm"]
    form = view.dictionary(reference)
    listed = form.get("Fields") if form is not None else None
    if form is None or form.repeated or not form.keys() <= _ENTRIES:
        return None
    if not isinstance(listed, list) or not 0 < len(listed) <= _MOST_FIELDS:
        return None
    inside = not isinstance(reference, ReadRef)
    found = copied(view, reference) if isinstance(reference, ReadRef) else catalog_found
    path = ("AcroForm", "Fields") if inside else ("Fields",)
    flagged = form.get("SigFlags") == SIGNATURES_EXIST_APPEND_ONLY
    another = not flagged and ("SigFlags" in form or inside)  # it would have to be replaced
    if another or found is None or not can_grow(found, *path):
        return None
    fields = [_signed_field(view, each) or _field_to_fill_in(view, each) for each in listed]
    if None in fields or not all(leads(view, each) for each in listed):
        return None
    names = frozenset(name for name, _ in filter(None, fields))
    signatures = tuple(signed for _, signed in filter(None, fields) if signed is not None)
    return PlainForm(found, names, signatures, inside, flagged)


def _field_to_fill_in(view: View, reference: PdfObject) -> tuple[str, None] | None:
    """Give the name of a field that is no signature and has nothing but widgets below it."""
    field = view.dictionary(reference)
    if field is None or view.name(field.get("FT")) not in _TO_FILL_IN or "Parent" in field:
        return None
    kids = view.array(field.get("Kids"))
    if len(kids) > _MOST_FIELDS or ("Kids" in field and not kids):
        return None
    for kid in map(view.dictionary, kids):
        if kid is None or kid.keys() & {"T", "FT", "Kids"}:
            return None
    name = view.resolve(field.get("T"))
    if not isinstance(name, bytes) or name.startswith(_OTHER_ENCODINGS):
        return None
    # of interest is only whether it is one of the usual series, which are written in ASCII
    wide = name.startswith(BOM_UTF16_BE)
    return name.decode("utf-16" if wide else "latin-1"), None


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
