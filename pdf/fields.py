"""Signature fields of a document: which there are, what they forbid, and making a new one.

Sources: ISO 32000-2 sections 12.7 (forms), 12.7.5.5 (signature fields, locks), 12.8.2 (DocMDP,
FieldMDP). A new approval signature never touches an earlier one; what earlier signers and the
author have forbidden is refused here, before anything is written.
"""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from collections.abc import Iterator
from dataclasses import dataclass

from pyhanko.pdf_utils import generic

from pdf.errors import FieldUnavailable, LimitExceeded, SigningNotPermitted
from pdf.layer import OpenedDocument, entry, guarded

# Honest forms have some thousands of fields, nested a few levels deep.
MAX_FIELDS = 100_000
MAX_FIELD_DEPTH = 64

_NO_CHANGES = 1


@dataclass(frozen=True)
class SignatureField:
    """A signature field; `value` is its signature dictionary when it is signed."""

    name: str
    reference: generic.IndirectObject | generic.Reference
    dictionary: generic.DictionaryObject
    value: generic.DictionaryObject | None


@dataclass(frozen=True)
class Form:
    """What the document's form says about signatures and names."""

    dictionary: generic.DictionaryObject | None
    signatures: tuple[SignatureField, ...]
    top_names: frozenset[str]

    @property
    def signed(self) -> tuple[SignatureField, ...]:
        """The fields that hold a signature."""
        return tuple(field for field in self.signatures if field.value is not None)

    @property
    def empty(self) -> tuple[SignatureField, ...]:
        """The fields that wait for one."""
        return tuple(field for field in self.signatures if field.value is None)

    def free_name(self) -> str:
        """Give the first name of the usual series that no field has."""
        number = len(self.signatures) + 1
        while f"Signature{number}" in self.top_names:
            number += 1
        return f"Signature{number}"


def read_form(document: OpenedDocument) -> Form:
    """Read the form of the document, if it has one."""
    with guarded("the form of the document cannot be read"):
        form = entry(document.root, "/AcroForm")
        if not isinstance(form, generic.DictionaryObject):
            return Form(None, (), frozenset())
        fields = entry(form, "/Fields")
        if not isinstance(fields, generic.ArrayObject):
            return Form(form, (), frozenset())
        names = frozenset(
            str(entry(field, "/T", ""))
            for _, field in _members(fields)
            if isinstance(field, generic.DictionaryObject)
        )
        return Form(form, tuple(_signature_fields(fields)), names)


def _members(
    fields: generic.ArrayObject,
) -> Iterator[tuple[generic.PdfObject, generic.PdfObject]]:
    for index in range(len(fields)):
        yield fields.raw_get(index), fields[index]


def _signature_fields(fields: generic.ArrayObject) -> Iterator[SignatureField]:
    pending = [(raw, field, "", None, 0) for raw, field in _members(fields)]
    pending.reverse()
    visited = 0
    while pending:
        raw, field, path, kind, depth = pending.pop()
        visited += 1
        if visited > MAX_FIELDS:
            raise LimitExceeded("the form has too many fields", limit=MAX_FIELDS)
        if not isinstance(field, generic.DictionaryObject) or depth > MAX_FIELD_DEPTH:
            continue
        kind = entry(field, "/FT", kind)
        part = entry(field, "/T")
        name = path if part is None else f"{path}.{part}" if path else str(part)
        kids = entry(field, "/Kids")
        if isinstance(kids, generic.ArrayObject) and any(
            isinstance(kid, generic.DictionaryObject) and "/T" in kid for _, kid in _members(kids)
        ):
            deeper = [(*member, name, kind, depth + 1) for member in _members(kids)]
            pending.extend(reversed(deeper))
        elif kind == "/Sig" and isinstance(raw, generic.IndirectObject):
            value = entry(field, "/V")
            filled = value if isinstance(value, generic.DictionaryObject) else None
            yield SignatureField(name, raw, field, filled)


def choose_field(document: OpenedDocument, form: Form, wanted: str | None) -> SignatureField | str:
    """Give the empty field to fill, or the name of the field to create.

    Raises SigningNotPermitted when an earlier signature or the encryption is against it, and
    FieldUnavailable when the named field is taken, locked or of another kind, or its name no text.
    """
    with guarded("the form of the document cannot be read"):
        _require_open(document, form)
        if wanted is None:
            if not document.may_create_fields and form.empty:
                names = ", ".join(field.name for field in form.empty)
                raise SigningNotPermitted(
                    f"with this password only the fields made for signatures may be used: {names}"
                )
            wanted = form.free_name()
        if "\0" in wanted:
            raise FieldUnavailable("the field's name has a NUL character, which no record can hold")
        _require_unlocked(form, wanted)
        for field in form.signatures:
            if field.name == wanted:
                if field.value is not None:
                    raise FieldUnavailable(f"the field {wanted} is signed already")
                return field
        return _require_usable_name(document, form, wanted)


def _require_usable_name(document: OpenedDocument, form: Form, wanted: str) -> str:
    if not wanted.strip() or "." in wanted:
        raise FieldUnavailable("a new field needs a name without a dot")
    if wanted in form.top_names:
        raise FieldUnavailable(f"the field {wanted} is not a signature field")
    if not document.may_create_fields and form.empty:
        raise SigningNotPermitted("with this password no field may be added")
    return wanted


def _references(field: SignatureField) -> Iterator[tuple[str, generic.DictionaryObject]]:
    """Yield the transforms of a signature: (method, parameters)."""
    found = entry(field.value, "/Reference") if field.value is not None else None
    if not isinstance(found, generic.ArrayObject):
        return
    for _, reference in _members(found):
        if isinstance(reference, generic.DictionaryObject):
            parameters = entry(reference, "/TransformParams")
            if isinstance(parameters, generic.DictionaryObject):
                yield str(entry(reference, "/TransformMethod")), parameters


def _require_open(document: OpenedDocument, form: Form) -> None:
    for field in form.signed:
        for method, parameters in _references(field):
            if method == "/DocMDP" and entry(parameters, "/P", 2) == _NO_CHANGES:
                raise SigningNotPermitted(f"the signature in {field.name} forbids any later change")
            if method == "/FieldMDP" and entry(parameters, "/P") == _NO_CHANGES:
                raise SigningNotPermitted(f"the signature in {field.name} closes the document")
    permissions = entry(document.root, "/Perms")
    if not isinstance(permissions, generic.DictionaryObject):
        return
    certification = entry(permissions, "/DocMDP")
    if isinstance(certification, generic.DictionaryObject):
        holder = SignatureField("/Perms", document.writer.root_ref, document.root, certification)
        for method, parameters in _references(holder):
            if method == "/DocMDP" and entry(parameters, "/P", 2) == _NO_CHANGES:
                raise SigningNotPermitted("the document is certified against any later change")


def _require_unlocked(form: Form, name: str) -> None:
    for field in form.signed:
        for method, parameters in _references(field):
            if method == "/FieldMDP" and locks(parameters, name):
                raise SigningNotPermitted(f"the signature in {field.name} locks the field {name}")


def locks(parameters: generic.DictionaryObject, name: str) -> bool:
    """Say whether a lock (action and field names) covers the field `name`."""
    action = entry(parameters, "/Action")
    if action == "/All":
        return True
    listed = entry(parameters, "/Fields")
    names = [str(item) for item in listed] if isinstance(listed, generic.ArrayObject) else []
    inside = any(name == item or name.startswith(f"{item}.") for item in names)
    return inside if action == "/Include" else not inside
