"""The book-keeping of comparing two views: what differs, what explains it, what is left over.

The principle: an object whose definition changed is forbidden until a rule explains it, a rule
explains an object only for the place it is used in, and an explained object must not be used
anywhere else. New objects need no explanation unless the old revision already referred to them.
The rules are in `catalog_changes`, `tag_changes`, `form_changes` and `page_changes`.
"""

from collections.abc import Callable, Iterable
from functools import cached_property

from pdf.change_kinds import NOWHERE, Change, ChangeLevel, Seen
from pdf.errors import PdfError
from pdf.limits import within
from pdf.references import References, keys_leading_to, targets
from pdf.syntax import PdfDict, PdfObject, Ref, Stream, same
from pdf.view import View
from pdf.xref import FREE, PACKED, PLAIN

LTA, FORM, OTHER = ChangeLevel.LTA_UPDATES, ChangeLevel.FORM_FILLING, ChangeLevel.OTHER
_BOUNDARY_TYPES = frozenset({"Page", "Pages", "Catalog"})
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
        numbers |= self._packed_in(numbers)
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

    def _packed_in(self, numbers: set[int]) -> set[int]:
        """Give the objects that are packed in streams with one of these numbers."""
        streams = {
            number
            for number in numbers
            if isinstance(self.new.object(number), Stream)
            or isinstance(self.old.object(number), Stream)
        }
        if not streams:
            return set()
        return {
            number
            for number, entry in self.new.entries.items()
            if entry.kind == PACKED and entry.first in streams
        }

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
            self.add("object_changed", "generation", OTHER, seen=Seen(number))
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
                below = targets(item)
                self.references.visit(len(below))
                for number in below - seen:
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

    def add(
        self,
        what: str,
        where: str,
        level: ChangeLevel,
        field_name: str | None = None,
        seen: Seen = NOWHERE,
    ) -> None:
        """Record a change for the report."""
        self.changes.append(
            Change(what=what, where=where, level=level, field_name=field_name, seen=seen)
        )

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

    # Accounting ------------------------------------------------------------------------------

    def account(self) -> None:
        """Report every changed object that no rule explained, or that is used elsewhere too."""
        for number in sorted(self.changed):
            before, after = self.old.object(number), self.new.object(number)
            was_defined = self._defined(self.old, number)
            if was_defined and _says_twice(after):
                self.add("object_changed", "gives an entry twice", OTHER, seen=Seen(number))
            if number in self.free_standing:
                continue
            if not was_defined:
                if self._activated(number):
                    self.add("object_activated", "", OTHER, seen=Seen(number))
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
            self.add(_name_of(before, after), "", OTHER, seen=Seen(number))

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
        if any(
            number in targets(value) and not (key == "Info" and None in allowed)
            for key, value in self.new.trailer.items()
            if key != "Root"
        ):
            return False  # The trailer uses it too, for whatever purpose.
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


def _says_twice(value: PdfObject) -> bool:
    if isinstance(value, Stream):
        value = value.entries
    if isinstance(value, PdfDict):
        return bool(value.repeated) or any(map(_says_twice, filter(_is_nested, value.values())))
    return isinstance(value, list) and any(map(_says_twice, filter(_is_nested, value)))


def _is_nested(value: PdfObject) -> bool:
    return isinstance(value, PdfDict | list)


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
