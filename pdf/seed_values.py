"""Seed values: what the author of a form demands of the signature in a field.

ISO 32000-2 section 12.7.5.5, table 234. Only demands (those whose flag bit is set) bind; a demand
that this signature does not meet refuses it. Demands on the certificate are refused as a whole:
guessing at them would sign in a place that was meant for somebody else.
"""

# The object layer is only partly annotated; what leaves here is.
# mypy: allow-untyped-calls

from typing import TYPE_CHECKING

from pyhanko.pdf_utils import generic

from pdf.errors import FieldUnavailable
from pdf.layer import entry
from pdf.options import Level, SignatureOptions

if TYPE_CHECKING:
    from collections.abc import Callable

# bit positions of /Ff, and of the flags inside /Cert
_FILTER, _SUB_FILTER, _REASONS, _DIGEST = 1, 2, 8, 64


def require_seed_values(
    field: generic.DictionaryObject, *, options: SignatureOptions, hash_algorithm: str
) -> None:
    """Raise FieldUnavailable naming the first demand of the field that is not met."""
    seed = entry(field, "/SV")
    if not isinstance(seed, generic.DictionaryObject):
        return
    flags = int(entry(seed, "/Ff", 0))
    checks: tuple[tuple[int, str, Callable[[], bool]], ...] = (
        (_FILTER, "another signature handler", lambda: entry(seed, "/Filter") == "/Adobe.PPKLite"),
        (
            _SUB_FILTER,
            "another kind of signature",
            lambda: f"/{options.sub_filter}" in _texts(seed, "/SubFilter"),
        ),
        (
            _DIGEST,
            "another digest",
            lambda: hash_algorithm.upper() in _texts(seed, "/DigestMethod"),
        ),
        (_REASONS, "one of its own reasons", lambda: _reason_fits(seed, options)),
    )
    for bit, demand, met in checks:
        if flags & bit and not met():
            raise FieldUnavailable(f"the author of this field demands {demand}")
    certificate = entry(seed, "/Cert")
    if isinstance(certificate, generic.DictionaryObject) and int(entry(certificate, "/Ff", 0)):
        raise FieldUnavailable("the author of this field names the certificates that may sign")
    timestamp = entry(seed, "/TimeStamp")
    demanded = (
        isinstance(timestamp, generic.DictionaryObject) and int(entry(timestamp, "/Ff", 0)) & 1
    )
    if demanded and options.level is Level.B_B:
        raise FieldUnavailable("the author of this field demands a time-stamp (level B-T)")
    _require_purpose(seed, options)


def _require_purpose(seed: generic.DictionaryObject, options: SignatureOptions) -> None:
    purpose = entry(seed, "/MDP")
    if not isinstance(purpose, generic.DictionaryObject):
        return
    level = int(entry(purpose, "/P", 0))
    asked = 0 if options.certify is None else int(options.certify)
    if level != asked:
        kind = f"a certification of level {level}" if level else "an approval signature"
        raise FieldUnavailable(f"the author of this field demands {kind}")


def _reason_fits(seed: generic.DictionaryObject, options: SignatureOptions) -> bool:
    reasons = _texts(seed, "/Reasons")
    if reasons in ([], ["."]):
        # an empty list, or a single full stop, demands that no reason is given
        return not options.reason
    return options.reason in reasons


def _texts(seed: generic.DictionaryObject, key: str) -> list[str]:
    found = entry(seed, key)
    if isinstance(found, generic.ArrayObject):
        return [str(item) for item in found]
    return [] if found is None else [str(found)]
