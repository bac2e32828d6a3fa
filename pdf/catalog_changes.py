"""Rules for the trailer, the catalogue, the security store and metadata.

Evidence, metadata and version notes may be added; whatever steers what a reader shows or does
(pages, layers, scripts, names, destinations) may not change.
"""

from pdf.comparison import LTA, OTHER, Comparison
from pdf.syntax import PdfDict, PdfObject, Ref, same

_METADATA_KEYS = frozenset({"Metadata", "PieceInfo", "LastModified", "Version", "Extensions"})
_STORE_KEYS = frozenset({"Type", "VRI", "Certs", "CRLs", "OCSPs"})


def compare_trailers(comparison: Comparison) -> None:
    """Compare encryption and document information."""
    _Catalog(comparison).trailer()


def compare_catalogs(comparison: Comparison, old: PdfDict, new: PdfDict, owner: int | None) -> None:
    """Compare the catalogues but for the form; `owner` is the number of the new one."""
    _Catalog(comparison).catalog(old, new, owner)


class _Catalog:
    def __init__(self, comparison: Comparison) -> None:
        self.c = comparison

    def trailer(self) -> None:
        old, new = self.c.old.trailer, self.c.new.trailer
        if not same(old.get("Encrypt"), new.get("Encrypt")) or self._changed_ref(old, "Encrypt"):
            self.c.add("encryption_changed", "trailer", OTHER)
        if not same(old.get("Info"), new.get("Info")) or self._changed_ref(new, "Info"):
            self.c.add("metadata_changed", "document information", LTA)
            self.c.explain_below((old.get("Info"), new.get("Info")), None, "Info")

    def _changed_ref(self, trailer: PdfDict, key: str) -> bool:
        value = trailer.get(key)
        return isinstance(value, Ref) and value.number in self.c.changed

    def catalog(self, old: PdfDict, new: PdfDict, owner: int | None) -> None:
        for key in sorted({*old, *new} - {"AcroForm", "StructTreeRoot", "Type"}):
            before, after = old.get(key), new.get(key)
            if key == "DSS":
                self._store(before, after, owner)
            elif key in _METADATA_KEYS:
                if self.c.touched(before, after):
                    self.c.add("metadata_changed", f"catalogue /{key}", LTA)
                    self.c.explain_below((before, after), owner, key)
            elif key == "Perms":
                if self.c.touched(before, after):
                    what = "certification_added" if before is None else "catalog_changed"
                    self.c.add(what, "catalogue /Perms", OTHER)
                    self.c.explain_below((before, after), owner, key)
            elif key == "MarkInfo":
                if not same(self.c.old.resolve(before), self.c.new.resolve(after)):
                    self.c.add("tags_changed", "catalogue /MarkInfo", LTA)
                self.c.explain_below((before, after), owner, key)
            elif not same(before, after):
                what = "page_changed" if key == "Pages" else "catalog_changed"
                self.c.add(what, f"catalogue /{key}", OTHER)

    def _store(self, before: PdfObject, after: PdfObject, owner: int | None) -> None:
        """Give the security store may grow and be rewritten; it must hold evidence only."""
        if not self.c.touched(before, after):
            return
        store = self.c.new.dictionary(after)
        if store is None:
            self.c.add("catalog_changed", "catalogue /DSS", OTHER)
            return
        self.c.add("evidence_added", "security store", LTA)
        self.c.explain_below((before, after), owner, "DSS")
        if not _STORE_KEYS.issuperset(store):
            unknown = ", ".join(sorted(set(store) - _STORE_KEYS))
            self.c.add("catalog_changed", f"security store {unknown}", OTHER)
