"""Rules for the trailer, the catalogue, the security store, metadata and tags.

Evidence, metadata and version notes may be added; whatever steers what a reader shows or does
(pages, layers, scripts, names, destinations) may not change.
"""

from pdf.comparison import LTA, OTHER, Comparison
from pdf.syntax import PdfDict, PdfObject, Ref, same

_METADATA_KEYS = frozenset({"Metadata", "PieceInfo", "LastModified", "Version", "Extensions"})
_STORE_KEYS = frozenset({"Type", "VRI", "Certs", "CRLs", "OCSPs"})
_TAG_KEYS = frozenset({"K", "ParentTree", "ParentTreeNextKey", "IDTree"})


def compare_trailers(comparison: Comparison) -> None:
    """Compare encryption and document information."""
    _Catalog(comparison).trailer()


def compare_catalogs(comparison: Comparison, old: PdfDict, new: PdfDict, owner: int | None) -> None:
    """Compare the catalogues but for the form; `owner` is the number of the new one."""
    rules = _Catalog(comparison)
    rules.catalog(old, new, owner)
    rules.tags(old, new, owner)


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

    def tags(self, old: PdfDict, new: PdfDict, owner: int | None) -> None:
        """Tags may be supplemented for new fields; existing elements keep what they say."""
        before, after = old.get("StructTreeRoot"), new.get("StructTreeRoot")
        if not self.c.changed and same(before, after):
            return
        old_root, new_root = self.c.old.dictionary(before), self.c.new.dictionary(after)
        if old_root is None or new_root is None:
            if not same(before, after):
                self.c.add("catalog_changed", "catalogue /StructTreeRoot", OTHER)
            return
        holder = after.number if isinstance(after, Ref) else owner
        touched = False
        if isinstance(after, Ref) and after.number in self.c.changed:
            different = {
                k for k in {*old_root, *new_root} if not same(old_root.get(k), new_root.get(k))
            }
            if different <= _TAG_KEYS:
                self.c.free(after.number)
                touched = True
        for key in ("ParentTree", "IDTree"):
            values = (old_root.get(key), new_root.get(key))
            if self.c.touched(*values):
                touched = True
                self.c.explain_below(values, holder, key)
        touched = self._elements(holder) or touched
        if touched:
            self.c.add("tags_changed", "structure tree", LTA)

    def _elements(self, root: int | None) -> bool:
        """Structure elements that only got further children."""
        touched = False
        for number in sorted(self.c.changed - self.c.free_standing):
            old, new = self.c.old.object(number), self.c.new.object(number)
            if _is_tag(old) and _is_tag(new):
                assert isinstance(old, PdfDict)  # noqa: S101 (what _is_tag says)
                assert isinstance(new, PdfDict)  # noqa: S101 (as above)
                different = {k for k in {*old, *new} if not same(old.get(k), new.get(k))}
                if different <= {"K"}:
                    self.c.free(number)
                    touched = True
            elif isinstance(old, list) and isinstance(new, list):
                parents = self.c.references.parents(number, self.c.new)
                if parents and all(self._is_element(p, root) for p in parents):
                    for parent in parents:
                        self.c.explain(number, parent, {"K"})
                    touched = True
        return touched

    def _is_element(self, number: int, root: int | None) -> bool:
        value = self.c.new.object(number)
        return number == root or _is_tag(value)


def _is_tag(value: PdfObject) -> bool:
    """Tell a structure element from other dictionaries with /S (groups have a Boolean /K)."""
    return (
        isinstance(value, PdfDict)
        and "S" in value
        and "P" in value
        and not isinstance(value.get("K"), bool)
        and value.get("Type") in {None, "StructElem"}
    )
