"""The document security store (ISO 32000-2 clause 12.8.4.3): evidence carried in the file.

Certificates, CRLs and OCSP responses that somebody put in for later. Nothing here is believed:
the validator judges it like evidence from anywhere else.
"""

from dataclasses import dataclass, field

from pdf.errors import LimitExceeded, PdfError
from pdf.syntax import PdfDict, Ref, Stream
from pdf.view import View


@dataclass(kw_only=True)
class SecurityStore:
    """What the store of one view holds; order as found, each once."""

    present: bool = False
    certificates: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    ocsp_responses: list[bytes] = field(default_factory=list)


def read_security_store(view: View) -> SecurityStore:
    """Read the store; what cannot be read is left out."""
    store = SecurityStore()
    catalog = view.catalog
    root = view.dictionary(catalog.get("DSS")) if isinstance(catalog, PdfDict) else None
    if root is None:
        return store
    store.present = True
    seen: set[Ref] = set()
    _collect(view, root, ("Certs", "CRLs", "OCSPs"), store, seen)
    related = view.dictionary(root.get("VRI")) or PdfDict()
    for value in related.values():
        one = view.dictionary(value)
        if one is not None:
            _collect(view, one, ("Cert", "CRL", "OCSP"), store, seen)
    return store


def _collect(
    view: View,
    holder: PdfDict,
    keys: tuple[str, str, str],
    store: SecurityStore,
    seen: set[Ref],
) -> None:
    targets = (store.certificates, store.crls, store.ocsp_responses)
    for key, target in zip(keys, targets, strict=True):
        for item in view.array(holder.get(key)):
            if len(target) >= view.document.limits.certificates:
                break
            if isinstance(item, Ref):
                if item in seen:
                    continue
                seen.add(item)
            stream = view.resolve(item)
            if not isinstance(stream, Stream):
                continue
            try:
                target.append(view.decoded(stream))
            except LimitExceeded:
                raise
            except PdfError:
                continue
