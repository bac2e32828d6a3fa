"""Writing a revision with an empty signature through the object layer.

The object layer follows whatever the file is made of (tables, streams, hybrid, encrypted); the
entries are ours. Sources: ISO 32000-2 sections 12.7.5.5, 12.8.1 (signature dictionary), 12.8.2
(transforms), ETSI EN 319 142-1 section 5.3.
"""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from typing import BinaryIO

from pyhanko.pdf_utils import generic

from pdf.appearance import Drawing, compose, draw
from pdf.errors import FieldUnavailable, PlacementInvalid, SigningNotPermitted
from pdf.fields import Form, SignatureField, choose_field, read_form
from pdf.layer import OpenedDocument, entry, guarded
from pdf.objects import Name, Raw, Ref, Value
from pdf.options import SignatureOptions
from pdf.page_geometry import Page
from pdf.pages import find_page, page_holding
from pdf.placement import Placed, place, place_default
from pdf.revision import Revision, Wanted, separator
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
    )


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
        if self.options.box is not None or self.options.page is not None:
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
        placed = Placed.in_user_space(page, (left, bottom, right, top))
        appearance = self._appearance(self._drawing(), placed)
        widget["/AP"] = self.sink.convert({"N": appearance})
        self.document.writer.mark_update(reference)

    def _create_field(self, name: str, first_page: Page, signature: Ref) -> None:
        options = self.options
        page = first_page
        entries = widget(name, signature)
        if options.stamp is not None:
            drawing = self._drawing()
            wanted = drawing.preset.page if options.page is None else options.page
            page = find_page(self.document, wanted)
            placed = self._placed(page, drawing)
            entries["Rect"] = [float(value) for value in placed.rectangle]
            if page.rotation:
                entries["MK"] = {"R": page.rotation}
            entries["AP"] = {"N": self._appearance(drawing, placed)}
        elif options.box is not None:
            raise PlacementInvalid("a box was given, but no stamp to put into it")
        elif options.page is not None:
            page = find_page(self.document, options.page)
        entries["P"] = page.reference
        field = self.sink.add(entries)
        reference = self.sink.convert(field)
        register_field(self.document, self.form, reference)
        self.document.writer.register_annotation(self.sink.convert(page.reference), reference)

    def _placed(self, page: Page, drawing: Drawing) -> Placed:
        if self.options.box is not None:
            return place(page, self.options.box, space=self.options.box_space)
        earlier = [
            tuple(float(value) for value in _widget_of(field)[1]["/Rect"])
            for field in self.form.signatures
            if self._stands_on(field, page)
        ]
        return place_default(
            page,
            size=drawing.natural_size,
            habit=drawing.preset.habit,
            earlier=[(a, b, c, d) for a, b, c, d in earlier],
        )

    def _stands_on(self, field: SignatureField, page: Page) -> bool:
        _, widget = _widget_of(field)
        if not isinstance(entry(widget, "/Rect"), generic.ArrayObject) or "/P" not in widget:
            return False
        home = widget.raw_get("/P")
        return isinstance(home, generic.IndirectObject) and home.idnum == page.reference.number

    def _drawing(self) -> Drawing:
        stamp = self.options.stamp
        if stamp is None:
            raise PlacementInvalid("there is no stamp to draw")
        return compose(stamp, words=stamp_words(self.options, self.wanted.signer))

    def _appearance(self, drawing: Drawing, placed: Placed) -> Ref:
        return draw(drawing, self.sink, size=(placed.width, placed.height), matrix=placed.matrix)

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
