"""Compare two views of a document and explain every object that differs.

The principle: an object whose definition changed is forbidden until a rule explains it, a rule
explains an object only for the place it is used in, and an explained object must not be used
anywhere else. New objects need no explanation unless the old revision already referred to them.

Rules live beside this module: `form_changes` for the form and its fields, `page_changes` for pages
and annotations; the catalogue, the security store, metadata and tags are here.
"""

from collections.abc import Callable, Iterable
from functools import cached_property

from pdf.change_kinds import Change, ChangeLevel
from pdf.document import View
from pdf.errors import PdfError
from pdf.limits import within
from pdf.references import References, keys_leading_to, targets
from pdf.syntax import PdfDict, PdfObject, Ref, Stream, same
from pdf.xref import FREE, PACKED, PLAIN

LTA, FORM, OTHER = ChangeLevel.LTA_UPDATES, ChangeLevel.FORM_FILLING, ChangeLevel.OTHER
_BOUNDARY_TYPES = frozenset({"Page", "Pages", "Catalog"})
_METADATA_KEYS = frozenset({"Metadata", "PieceInfo", "LastModified", "Version", "Extensions"})
_STORE_KEYS = frozenset({"Type", "VRI", "Certs", "CRLs", "OCSPs"})
_TAG_KEYS = frozenset({"K", "ParentTree", "ParentTreeNextKey", "IDTree"})
_STRUCTURE_STREAMS = frozenset({"XRef", "ObjStm"})


class Comparison:
    """Two views, the numbers that differ between them, and what explains each."""

    def __init__(
        self,
        old: View,
        new: View,
        numbers: Iterable[int],
        referrers: Callable[[], References],
        *,
        closures: dict[int, frozenset[int]],
    ) -> None:
        self.old = old
        self.new = new
        self.changes: list[Change] = []
        numbers = set(numbers)
        numbers.update(
            number
            for number, entry in new.entries.items()
            if entry.kind == PACKED and entry.first in numbers
        )
        self.changed = {number for number in numbers if self._differs(number)}
        within(len(self.changed), old.document.limits.changed_objects, "too many changes")
        self.explained: dict[int, dict[int | None, set[str] | None]] = {}
        """Number -> parents that may use it -> under which keys (None: any)."""
        self.free_standing: set[int] = set()
        """Numbers compared entry by entry, so that further uses do no harm."""
        self._referrers = referrers
        self._closures = closures

    @cached_property
    def references(self) -> References:
        """Who refers to whom; built only when a difference asks for it."""
        return self._referrers()

    # Differences -----------------------------------------------------------------------------

    def _differs(self, number: int) -> bool:
        before, after = self.old.entries.get(number), self.new.entries.get(number)
        if (
            before is not None
            and after is not None
            and before.kind == after.kind == PLAIN
            and before.second != after.second
        ):
            # References name the generation: to some readers the object is gone.
            self.add("object_changed", f"generation of object {number}", OTHER)
            return True
        if self.old.location(number) == self.new.location(number):
            return False
        return not self.equal(self.old.object(number), self.new.object(number))

    def equal(self, left: PdfObject, right: PdfObject) -> bool:
        """Whether two objects are the same, streams by their stored data."""
        if isinstance(left, Stream) and isinstance(right, Stream):
            one = {k: v for k, v in left.entries.items() if k != "Length"}
            two = {k: v for k, v in right.entries.items() if k != "Length"}
            if one.keys() != two.keys() or not all(same(one[k], two[k]) for k in one):
                return False
            try:
                return self.old.raw(left) == self.new.raw(right)
            except PdfError:
                return False
        return same(left, right)

    def touched(self, old_value: PdfObject, new_value: PdfObject) -> bool:
        """Whether a value differs, or leads to a changed object within its own subtree."""
        if not same(old_value, new_value):
            return True
        return any(number in self.changed for number in self.subtree(new_value))

    def subtree(self, value: PdfObject) -> dict[int, int | None]:
        """Numbers below a value (not beyond pages, fields and annotations) -> their parent."""
        found: dict[int, int | None] = {}
        for view in (self.old, self.new):
            queue: list[tuple[PdfObject, int | None]] = [(value, None)]
            seen: set[int] = set()
            while queue:
                item, parent = queue.pop()
                for number in targets(item) - seen:
                    seen.add(number)
                    child = view.object(number)
                    if parent is not None and _is_boundary(child):
                        continue
                    found.setdefault(number, parent)
                    within(len(found), view.document.limits.changed_objects, "too many objects")
                    queue.append((child, number))
        return found

    def untouched(self, number: int) -> bool:
        """Tell whether nothing in or below a field without children changed.

        What is below is remembered from step to step: it stays true until a step changes it.
        """
        known = self._closures.get(number)
        if known is None:
            node = self.new.dictionary(Ref(number, 0))
            if node is None or "Kids" in node:
                return False
            known = frozenset((number, *self.subtree(Ref(number, 0))))
            self._closures[number] = known
        if known.isdisjoint(self.changed):
            return True
        del self._closures[number]
        return False

    # Explanations ----------------------------------------------------------------------------

    def add(self, what: str, where: str, level: ChangeLevel, field_name: str | None = None) -> None:
        """Record a change for the report."""
        self.changes.append(Change(what=what, where=where, level=level, field_name=field_name))

    def explain(self, number: int, parent: int | None, keys: set[str] | None = None) -> None:
        """Accept a changed object as used by `parent` under `keys` (None: anywhere in it)."""
        allowed = self.explained.setdefault(number, {})
        if keys is None or (parent in allowed and allowed[parent] is None):
            allowed[parent] = None
        else:
            known = allowed.get(parent)
            allowed[parent] = keys | known if known else set(keys)

    def explain_below(self, values: Iterable[PdfObject], owner: int | None, key: str) -> None:
        """Accept all changed objects below values that stand in `owner` under `key`."""
        for value in values:
            for number, parent in self.subtree(value).items():
                if parent is None:
                    self.explain(number, owner, {key})
                else:
                    self.explain(number, parent)

    def free(self, number: int | None) -> None:
        """Accept an object that was compared entry by entry."""
        if number is not None:
            self.free_standing.add(number)

    # The walk --------------------------------------------------------------------------------

    def run(self) -> list[Change]:
        """Compare everything and give the changes."""
        from pdf.form_changes import compare_forms  # noqa: PLC0415 (rules need this class)
        from pdf.page_changes import compare_pages  # noqa: PLC0415 (as above)

        if not self.changed and same(self.old.trailer.get("Root"), self.new.trailer.get("Root")):
            return self._trailer()
        self._trailer()
        old, new = self.old.catalog, self.new.catalog
        if not isinstance(old, PdfDict) or not isinstance(new, PdfDict):
            self.add("catalog_changed", "catalogue", OTHER)
            return self.changes
        root = self.new.trailer.get("Root")
        owner = root.number if isinstance(root, Ref) else None
        self.free(owner)
        self._catalog(old, new, owner)
        widgets = compare_forms(self, old.get("AcroForm"), new.get("AcroForm"), owner)
        compare_pages(self, widgets)
        self._tags(old, new, owner)
        self._account()
        return self.changes

    def _trailer(self) -> list[Change]:
        old, new = self.old.trailer, self.new.trailer
        if not same(old.get("Encrypt"), new.get("Encrypt")) or self._changed_ref(old, "Encrypt"):
            self.add("encryption_changed", "trailer", OTHER)
        if not same(old.get("Info"), new.get("Info")) or self._changed_ref(new, "Info"):
            self.add("metadata_changed", "document information", LTA)
            self.explain_below((old.get("Info"), new.get("Info")), None, "Info")
        return self.changes

    def _changed_ref(self, trailer: PdfDict, key: str) -> bool:
        value = trailer.get(key)
        return isinstance(value, Ref) and value.number in self.changed

    def _catalog(self, old: PdfDict, new: PdfDict, owner: int | None) -> None:
        for key in sorted({*old, *new} - {"AcroForm", "StructTreeRoot", "Type"}):
            before, after = old.get(key), new.get(key)
            if key == "DSS":
                self._store(before, after, owner)
            elif key in _METADATA_KEYS:
                if self.touched(before, after):
                    self.add("metadata_changed", f"catalogue /{key}", LTA)
                    self.explain_below((before, after), owner, key)
            elif key == "Perms":
                if self.touched(before, after):
                    what = "certification_added" if before is None else "catalog_changed"
                    self.add(what, "catalogue /Perms", OTHER)
                    self.explain_below((before, after), owner, key)
            elif key == "MarkInfo":
                if not same(self.old.resolve(before), self.new.resolve(after)):
                    self.add("tags_changed", "catalogue /MarkInfo", LTA)
                self.explain_below((before, after), owner, key)
            elif not same(before, after):
                what = "page_changed" if key == "Pages" else "catalog_changed"
                self.add(what, f"catalogue /{key}", OTHER)

    def _store(self, before: PdfObject, after: PdfObject, owner: int | None) -> None:
        """Give the security store may grow and be rewritten; it must hold evidence only."""
        if not self.touched(before, after):
            return
        store = self.new.dictionary(after)
        if store is None:
            self.add("catalog_changed", "catalogue /DSS", OTHER)
            return
        self.add("evidence_added", "security store", LTA)
        self.explain_below((before, after), owner, "DSS")
        if not _STORE_KEYS.issuperset(store):
            unknown = ", ".join(sorted(set(store) - _STORE_KEYS))
            self.add("catalog_changed", f"security store {unknown}", OTHER)

    def _tags(self, old: PdfDict, new: PdfDict, owner: int | None) -> None:
        """Tags may be supplemented for new fields; existing elements keep what they say."""
        before, after = old.get("StructTreeRoot"), new.get("StructTreeRoot")
        if not self.changed and same(before, after):
            return
        old_root, new_root = self.old.dictionary(before), self.new.dictionary(after)
        if old_root is None or new_root is None:
            if not same(before, after):
                self.add("catalog_changed", "catalogue /StructTreeRoot", OTHER)
            return
        holder = after.number if isinstance(after, Ref) else owner
        touched = False
        if isinstance(after, Ref) and after.number in self.changed:
            different = {
                k for k in {*old_root, *new_root} if not same(old_root.get(k), new_root.get(k))
            }
            if different <= _TAG_KEYS:
                self.free(after.number)
                touched = True
        for key in ("ParentTree", "IDTree"):
            values = (old_root.get(key), new_root.get(key))
            if self.touched(*values):
                touched = True
                self.explain_below(values, holder, key)
        touched = self._elements(holder) or touched
        if touched:
            self.add("tags_changed", "structure tree", LTA)

    def _elements(self, root: int | None) -> bool:
        """Structure elements that only got further children."""
        touched = False
        for number in sorted(self.changed - self.free_standing):
            old, new = self.old.object(number), self.new.object(number)
            if _is_tag(old) and _is_tag(new):
                assert isinstance(old, PdfDict)  # noqa: S101 (what _is_tag says)
                assert isinstance(new, PdfDict)  # noqa: S101 (as above)
                different = {k for k in {*old, *new} if not same(old.get(k), new.get(k))}
                if different <= {"K"}:
                    self.free(number)
                    touched = True
            elif isinstance(old, list) and isinstance(new, list):
                parents = self.references.parents(number, self.new)
                if parents and all(self._is_element(p, root) for p in parents):
                    for parent in parents:
                        self.explain(number, parent, {"K"})
                    touched = True
        return touched

    def _is_element(self, number: int, root: int | None) -> bool:
        value = self.new.object(number)
        return number == root or _is_tag(value)

    # Accounting ------------------------------------------------------------------------------

    def _account(self) -> None:
        """Report every changed object that no rule explained, or that is used elsewhere too."""
        for number in sorted(self.changed):
            before, after = self.old.object(number), self.new.object(number)
            was_defined = self._defined(self.old, number)
            if was_defined and _says_twice(after):
                self.add("object_changed", f"object {number} gives an entry twice", OTHER)
            if number in self.free_standing:
                continue
            if not was_defined:
                if self._activated(number):
                    self.add("object_activated", f"object {number}", OTHER)
                continue
            if self._justified(number) or self._is_structure(number, before):
                continue
            if not self.references.reachable(number, self.old) and not (
                self.references.reachable(number, self.new)
            ):
                continue
            if after is None and not self.references.reachable(number, self.new):
                continue  # A freed number that nothing uses any more.
            if not self.references.reachable(number, self.old) and self._new_use_only(number):
                continue
            self.add(_name_of(before, after), f"object {number}", OTHER)

    def _new_use_only(self, number: int) -> bool:
        """Give a number that was garbage before and is used by new or explained objects only."""
        return all(
            not self._defined(self.old, parent) or parent in self.free_standing
            for parent in self.references.parents(number, self.new)
        ) and not self.references.parents(number, self.old)

    @staticmethod
    def _defined(view: View, number: int) -> bool:
        entry = view.entries.get(number)
        return entry is not None and entry.kind != FREE and view.object(number) is not None

    def _activated(self, number: int) -> bool:
        """Whether the old revision already pointed to this number, unexplained."""
        if not self.references.parents(number, self.old):
            return False
        return self.references.reachable(number, self.old) and not self._justified(number)

    def _justified(self, number: int) -> bool:
        allowed = self.explained.get(number)
        if allowed is None:
            return False
        for parent in self.references.parents(number, self.new):
            if not self._defined(self.old, parent):
                continue  # New objects are reachable only through what was explained.
            if parent not in allowed:
                if self.references.reachable(parent, self.new):
                    return False
                continue
            keys = allowed[parent]
            if keys is not None and not keys_leading_to(self.new.object(parent), number) <= keys:
                return False
        return True

    def _is_structure(self, number: int, before: PdfObject) -> bool:
        """Give an old cross-reference or object stream whose number was used again."""
        return (
            isinstance(before, Stream)
            and before.entries.get("Type") in _STRUCTURE_STREAMS
            and not self.references.parents(number, self.old)
        )


def _is_boundary(value: PdfObject) -> bool:
    if not isinstance(value, PdfDict):
        return False
    return (
        value.get("Type") in _BOUNDARY_TYPES
        or value.get("Subtype") == "Widget"
        or ("FT" in value and "T" in value)
    )


def _is_tag(value: PdfObject) -> bool:
    """Tell a structure element from other dictionaries with /S (groups have a Boolean /K)."""
    return (
        isinstance(value, PdfDict)
        and "S" in value
        and "P" in value
        and not isinstance(value.get("K"), bool)
        and value.get("Type") in {None, "StructElem"}
    )


def _says_twice(value: PdfObject) -> bool:
    if isinstance(value, Stream):
        value = value.entries
    if isinstance(value, PdfDict):
        return bool(value.repeated) or any(_says_twice(item) for item in value.values())
    return isinstance(value, list) and any(_says_twice(item) for item in value)


def _name_of(before: PdfObject, after: PdfObject) -> str:
    if isinstance(before, PdfDict):
        if before.get("Type") == "Page":
            return "page_changed"
        if before.get("Type") == "Pages" and isinstance(after, PdfDict):
            old, new = before.get("Count"), after.get("Count")
            if isinstance(old, int) and isinstance(new, int) and old != new:
                return "page_added" if new > old else "page_removed"
            return "page_changed"
    return "object_removed" if after is None else "object_changed"


def compare(
    old: View,
    new: View,
    numbers: Iterable[int],
    referrers: Callable[[], References],
    *,
    closures: dict[int, frozenset[int]],
) -> list[Change]:
    """Give the changes from `old` to `new`; `numbers` are the objects that may differ.

    `closures` may be shared by comparisons of successive revisions, oldest first.
    """
    return Comparison(old, new, numbers, referrers, closures=closures).run()
