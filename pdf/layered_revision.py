"""Writing a revision with an empty signature through the object layer.

The object layer follows whatever the file is made of (tables, streams, hybrid, encrypted); the
entries are ours. Sources: ISO 32000-2 sections 12.7.5.5, 12.8.1 (signature dictionary), 12.8.2
(transforms), ETSI EN 319 142-1 section 5.3.
"""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from collections.abc import Iterator
from typing import BinaryIO

from pyhanko.pdf_utils import generic

from pdf.appearance import Drawing, compose, draw, draw_nothing
from pdf.archival import RGB_COMPONENTS, Archival, claimed
from pdf.earlier import Earlier, last_personal
from pdf.errors import DamagedPdf, FieldUnavailable, PlacementInvalid, SigningNotPermitted
from pdf.extensions import PREFIX, extension_for
from pdf.fields import Form, SignatureField, choose_field, read_form
from pdf.layer import OpenedDocument, entry, guarded
from pdf.objects import Name, Raw, Ref, Value
from pdf.options import SignatureOptions
from pdf.page_geometry import Page
from pdf.pages import find_page, page_at, page_holding
from pdf.placement import Placed, settle
from pdf.revision import Revision, Wanted, place_wish, separator
from pdf.seed_values import require_seed_values
from pdf.signature_objects import (
    SIGNATURES_EXIST_APPEND_ONLY,
    open_ends,
    signature_dictionary,
    stamp_words,
    widget,
)


def write_layered(source: BinaryIO, wanted: Wanted) -> Revision:
    """Build the revision for one signature.

    Raises whatever of this room's errors says why the document cannot take it.
    """
    options = wanted.options
    document = OpenedDocument(source, password=options.password)
    form = read_form(document)
    page = find_page(document, 1)
    chosen = choose_field(document, form, options.field)
    if isinstance(chosen, SignatureField):
        with guarded("the demands of the field cannot be read"):
            require_seed_values(
                chosen.dictionary, options=options, hash_algorithm=wanted.hash_algorithm
            )
    _require_certifiable(form, options)
    with guarded("the new revision cannot be written"):
        if not form.signed:
            document.writer.raise_version((1, 7))
        _declare_extension(document, wanted)
        builder = _Builder(document, form, wanted)
        contents, byte_range = builder.build(chosen, page)
        source.seek(document.size - 1)
        between = separator(source.read(1))
        tail = bytearray(between + document.writer.tail(document.size + len(between)))
    return Revision(
        tail=tail,
        base=document.size,
        contents_offset=document.sink.offset_of(contents) + 1,
        contents_length=2 * wanted.room,
        byte_range_offset=document.sink.offset_of(byte_range),
        field=chosen if isinstance(chosen, str) else chosen.name,
        placed=builder.placed,
    )


def _declare_extension(document: OpenedDocument, wanted: Wanted) -> None:
    """Name the extension that the signature needs, unless the catalog names it already."""
    extension = extension_for(wanted.signer.public_key)
    if extension is None:
        return
    root = document.root
    known = entry(root, "/Extensions")
    if not isinstance(known, generic.DictionaryObject):
        root["/Extensions"] = document.sink.convert({PREFIX: [extension]})
        document.writer.update_root()
        return
    found = entry(known, f"/{PREFIX}")
    listed = list(found) if isinstance(found, generic.ArrayObject) else [found] if found else []
    levels = [
        entry(each, "/ExtensionLevel")
        for each in listed
        if isinstance(each, generic.DictionaryObject)
    ]
    if extension["ExtensionLevel"] not in levels:
        listed.append(document.sink.convert(extension))
        known[f"/{PREFIX}"] = generic.ArrayObject(listed)
        document.writer.update_container(known)


def _archival(document: OpenedDocument) -> Archival | None:
    """Read whether the document claims to be PDF/A; unreadable metadata claims nothing."""
    try:
        with guarded("the metadata cannot be read"):
            metadata = entry(document.root, "/Metadata")
            intents = entry(document.root, "/OutputIntents", generic.ArrayObject())
            if not isinstance(metadata, generic.StreamObject):
                return None
            # by index: that follows references
            profiles = [
                entry(intents[index], "/DestOutputProfile") for index in range(len(intents))
            ]
            components = [entry(each, "/N") for each in profiles if each is not None]
            return claimed(metadata.data, rgb_intent=RGB_COMPONENTS in components)
    except DamagedPdf:
        return None


def _require_certifiable(form: Form, options: SignatureOptions) -> None:
    if options.certify is not None and form.signed:
        raise SigningNotPermitted(
            "only the first signature of a document can certify it; this one has a signature"
        )


class _Builder:
    """Puts field, widget, appearance and signature dictionary of one signature together."""

    def __init__(self, document: OpenedDocument, form: Form, wanted: Wanted) -> None:
        self.document = document
        self.sink = document.sink
        self.form = form
        self.wanted = wanted
        self.options = wanted.options
        self.archival = _archival(document)
        self.placed: Placed | None = None

    def build(self, chosen: SignatureField | str, first_page: Page) -> tuple[Raw, Raw]:
        """Add everything; give the two values whose positions matter later."""
        contents, byte_range = open_ends(self.wanted.room)
        entries = signature_dictionary(self.options, contents=contents, byte_range=byte_range)
        lock = None
        if isinstance(chosen, SignatureField):
            lock = entry(chosen.dictionary, "/Lock")
        transforms = self._transforms(lock)
        if transforms:
            entries["Reference"] = transforms
        signature = self.sink.add(entries)
        if isinstance(chosen, SignatureField):
            self._fill_field(chosen, signature)
        else:
            self._create_field(chosen, first_page, signature)
        if self.options.certify is not None:
            self._record_certification(signature)
        return contents, byte_range

    def _transforms(self, lock: object) -> list[Value]:
        """Write what the signature forbids: by certification, and by the lock of its field."""
        transforms: list[Value] = []
        if self.options.certify is not None:
            parameters: dict[str, Value] = {
                "Type": Name("TransformParams"),
                "V": Name("1.2"),
                "P": int(self.options.certify),
            }
            transforms.append(_transform("DocMDP", parameters))
        if isinstance(lock, generic.DictionaryObject):
            parameters = {"Type": Name("TransformParams"), "V": Name("1.2")}
            parameters["Action"] = Name(str(entry(lock, "/Action", "/All"))[1:])
            listed = entry(lock, "/Fields")
            if isinstance(listed, generic.ArrayObject):
                parameters["Fields"] = [str(name) for name in listed]
            closed = entry(lock, "/P")
            if isinstance(closed, int):
                parameters["P"] = int(closed)
            reference = self.document.writer.root_ref
            catalog = Ref(reference.idnum, reference.generation)
            transforms.append(_transform("FieldMDP", parameters) | {"Data": catalog})
        return transforms

    def _fill_field(self, field: SignatureField, signature: Ref) -> None:
        """Put the signature into an existing field, and the stamp into the field's widget."""
        options = self.options
        if any(each is not None for each in (options.box, options.page, options.spot)):
            raise PlacementInvalid(f"the field {field.name} has its own place in the document")
        field.dictionary["/V"] = self.sink.convert(signature)
        self.document.writer.mark_update(field.reference)
        if self.options.stamp is not None:
            self._stamp_widget(field)
        declare_signatures(self.document, self.form)

    def _stamp_widget(self, field: SignatureField) -> None:
        reference, widget = _widget_of(field)
        page = page_holding(self.document, widget, reference)
        rectangle = [float(value) for value in widget["/Rect"]]
        if len(set(rectangle[::2])) < 2 or len(set(rectangle[1::2])) < 2:  # noqa: PLR2004 - corners
            raise PlacementInvalid(f"the field {field.name} is invisible: it has no area")
        left, bottom, right, top = rectangle
        placed = self.placed = Placed.in_user_space(page, (left, bottom, right, top))
        appearance = self._appearance(self._drawing(), placed)
        widget["/AP"] = self.sink.convert({"N": appearance})
        self.document.writer.mark_update(reference)

    def _create_field(self, name: str, first_page: Page, signature: Ref) -> None:
        options = self.options
        page = first_page
        entries = widget(name, signature)
        if options.stamp is not None:
            drawing = self._drawing()
            earlier = list(self._earlier())
            page = self._page_for(drawing, earlier)
            wish = place_wish(self.wanted, size=drawing.natural_size, preset=drawing.preset)
            placed = self.placed = settle(page, wish, earlier=earlier)
            entries["Rect"] = [float(value) for value in placed.rectangle]
            if page.rotation:
                entries["MK"] = {"R": page.rotation}
            entries["AP"] = {"N": self._appearance(drawing, placed)}
        elif options.box is not None or options.spot is not None:
            raise PlacementInvalid("a place was given, but no stamp to put there")
        elif options.page is not None:
            page = find_page(self.document, options.page)
        if options.stamp is None and self.archival is not None:
            entries["AP"] = {"N": draw_nothing(self.sink)}
        entries["P"] = page.reference
        field = self.sink.add(entries)
        reference = self.sink.convert(field)
        register_field(self.document, self.form, reference)
        self.document.writer.register_annotation(self.sink.convert(page.reference), reference)

    def _page_for(self, drawing: Drawing, earlier: list[Earlier]) -> Page:
        """Choose the page: asked for, or of the words, or of the signature that a seal joins."""
        options = self.options
        if self.wanted.anchor is not None:
            return find_page(self.document, self.wanted.anchor.page)
        if options.page is not None:
            return find_page(self.document, options.page)
        if drawing.preset.habit.covers is not None and not (options.box or options.spot):
            personal = last_personal(earlier)
            if personal is not None and personal.page is not None:
                return page_at(self.document, personal.page)
        return find_page(self.document, drawing.preset.page)

    def _earlier(self) -> Iterator[Earlier]:
        """Give the fields of signatures, also of ones to come: their places are kept for them."""
        for field in self.form.signatures:
            reference, widget = _widget_of(field)
            rectangle = entry(widget, "/Rect")
            if not isinstance(rectangle, generic.ArrayObject) or len(rectangle) != 4:  # noqa: PLR2004 - corners
                continue
            a, b, c, d = (float(value) for value in rectangle)
            page = self._home(widget, reference) if a != c and b != d else None
            value = field.value
            covered = entry(value, "/ByteRange") if value is not None else None
            end = (
                sum(int(covered[index]) for index in range(2, len(covered)))
                if isinstance(covered, generic.ArrayObject)
                else 0
            )
            box = (min(a, c), min(b, d), max(a, c), max(b, d))
            yield Earlier(page, box, _contents(value), end)

    def _home(
        self,
        widget: generic.DictionaryObject,
        reference: generic.IndirectObject | generic.Reference,
    ) -> Ref | None:
        try:
            return page_holding(self.document, widget, reference).reference
        except PlacementInvalid:
            return None

    def _drawing(self) -> Drawing:
        stamp = self.options.stamp
        if stamp is None:
            raise PlacementInvalid("there is no stamp to draw")
        return compose(stamp, words=stamp_words(self.options, self.wanted.signer))

    def _appearance(self, drawing: Drawing, placed: Placed) -> Ref:
        return draw(
            drawing,
            self.sink,
            size=(placed.width, placed.height),
            matrix=placed.matrix,
            archival=self.archival,
        )

    def _record_certification(self, signature: Ref) -> None:
        root = self.document.root
        permissions = entry(root, "/Perms")
        if isinstance(permissions, generic.DictionaryObject):
            permissions["/DocMDP"] = self.sink.convert(signature)
            self.document.writer.update_container(permissions)
        else:
            root["/Perms"] = self.sink.convert({"DocMDP": signature})
        self.document.writer.update_root()


def register_field(document: OpenedDocument, form: Form, reference: generic.PdfObject) -> None:
    """List a signature field in the form, making the form where there is none."""
    writer, dictionary = document.writer, form.dictionary
    if dictionary is None:
        made = document.sink.add({"Fields": [], "SigFlags": SIGNATURES_EXIST_APPEND_ONLY})
        dictionary = document.sink.convert(made).get_object()
        document.root["/AcroForm"] = document.sink.convert(made)
        writer.update_root()
    fields = entry(dictionary, "/Fields")
    if isinstance(fields, generic.ArrayObject):
        fields.append(reference)
        writer.update_container(fields)
    else:
        dictionary["/Fields"] = generic.ArrayObject([reference])
        writer.update_container(dictionary)
    if form.dictionary is not None:
        declare_signatures(document, form)


def declare_signatures(document: OpenedDocument, form: Form) -> None:
    """Say in the form that there are signatures and that the file may only grow."""
    dictionary = form.dictionary
    if dictionary is None:
        raise FieldUnavailable("the document has no form")
    if entry(dictionary, "/SigFlags") != SIGNATURES_EXIST_APPEND_ONLY:
        dictionary["/SigFlags"] = generic.NumberObject(SIGNATURES_EXIST_APPEND_ONLY)
        document.writer.update_container(dictionary)
    if "/NeedAppearances" in dictionary:
        # readers that rebuild appearances on opening would change the signed document
        del dictionary["/NeedAppearances"]
        document.writer.update_container(dictionary)


def _contents(signature: generic.DictionaryObject | None) -> bytes:
    """Give a signature's container, which is never encrypted (ISO 32000-2 section 7.6.2)."""
    if signature is None or "/Contents" not in signature:
        return b""
    found = signature.raw_get("/Contents", decrypt=generic.EncryptedObjAccess.RAW)
    if isinstance(found, generic.TextStringObject):
        found = found.original_bytes
    return found if isinstance(found, bytes) else b""


def _transform(method: str, parameters: dict[str, Value]) -> dict[str, Value]:
    return {
        "Type": Name("SigRef"),
        "TransformMethod": Name(method),
        "TransformParams": parameters,
    }


def _widget_of(
    field: SignatureField,
) -> tuple[generic.IndirectObject | generic.Reference, generic.DictionaryObject]:
    """Give the annotation of a field: the field itself, or its only kid."""
    if "/Rect" in field.dictionary:
        return field.reference, field.dictionary
    kids = entry(field.dictionary, "/Kids")
    if isinstance(kids, generic.ArrayObject) and len(kids):
        kid = kids[0]
        if isinstance(kid, generic.DictionaryObject):
            return kids.raw_get(0), kid
    return field.reference, field.dictionary
