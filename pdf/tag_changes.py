"""Rules for the tags of a document (ISO 32000-2 clause 14.7): what it says to those who hear it.

Tags may be supplemented for new fields and annotations. What is tagged already keeps its tags: an
element brought in later that claims signed content could have it read aloud, searched or copied as
something else.
"""

from collections.abc import Iterator

from pdf.change_kinds import Seen
from pdf.comparison import LTA, OTHER, Comparison
from pdf.limits import within
from pdf.syntax import PdfDict, PdfObject, Ref, same
from pdf.view import View

_ROOT_KEYS = frozenset({"K", "ParentTree", "ParentTreeNextKey", "IDTree"})
_MAX_DEPTH = 60


def compare_tags(comparison: Comparison, old: PdfDict, new: PdfDict, owner: int | None) -> None:
    """Compare the structure trees of two catalogues; `owner` is the number of the new one."""
    _Tags(comparison).run(old, new, owner)


class _Tags:
    def __init__(self, comparison: Comparison) -> None:
        self.c = comparison

    def run(self, old: PdfDict, new: PdfDict, owner: int | None) -> None:
        before, after = old.get("StructTreeRoot"), new.get("StructTreeRoot")
        if not self.c.changed and same(before, after):
            return
        old_root, new_root = self.c.old.dictionary(before), self.c.new.dictionary(after)
        if old_root is None or new_root is None:
            if not same(before, after):
                self.c.add("catalog_changed", "catalogue /StructTreeRoot", OTHER)
            return
        holder = after.number if isinstance(after, Ref) else owner
        touched = self._root(after, old_root, new_root)
        for key, leaves in (("ParentTree", "Nums"), ("IDTree", "Names")):
            values = (old_root.get(key), new_root.get(key))
            if self.c.touched(*values):
                touched = True
                self.c.explain_below(values, holder, key)
                if not self._keeps_leaves(*values, leaves):
                    self._forbid(f"structure tree /{key}")
        touched = self._elements(holder) or touched
        if touched:
            self.c.add("tags_changed", "structure tree", LTA)
            self._new_elements()

    def _root(self, after: PdfObject, old: PdfDict, new: PdfDict) -> bool:
        if not isinstance(after, Ref) or after.number not in self.c.changed:
            return False
        different = {key for key in {*old, *new} if not same(old.get(key), new.get(key))}
        if not different <= _ROOT_KEYS:
            return False
        self.c.free(after.number)
        self._children(old, new)
        return True

    def _children(self, old: PdfDict, new: PdfDict) -> None:
        """Children may be added, none may go or come in another order."""
        before, after = (
            self._listed(self.c.old, old.get("K")),
            self._listed(self.c.new, new.get("K")),
        )
        if not _keeps(before, after):
            self._forbid("structure tree, elements taken away")

    def _elements(self, root: int | None) -> bool:
        """Structure elements that only got further children."""
        touched = False
        for number in sorted(self.c.changed - self.c.free_standing):
            old, new = self.c.old.object(number), self.c.new.object(number)
            if isinstance(old, PdfDict) and isinstance(new, PdfDict):
                if not (_is_tag(old) and _is_tag(new)):
                    continue
                different = {key for key in {*old, *new} if not same(old.get(key), new.get(key))}
                if different <= {"K"}:
                    self.c.free(number)
                    self._children(old, new)
                    touched = True
            elif isinstance(old, list) and isinstance(new, list):
                parents = self.c.references.parents(number, self.c.new)
                if parents and all(self._is_element(p, root) for p in parents):
                    for parent in parents:
                        self.c.explain(number, parent, {"K"})
                    if not _keeps(old, new):
                        self._forbid("structure tree, elements taken away")
                    touched = True
        return touched

    def _is_element(self, number: int, root: int | None) -> bool:
        return number == root or _is_tag(self.c.new.object(number))

    def _new_elements(self) -> None:
        for number in sorted(self.c.changed):
            node = self.c.new.object(number)
            if not isinstance(node, PdfDict) or not _is_tag(node) or not self._is_new(number):
                continue
            if any(self._claims(item, 0) for item in self._listed(self.c.new, node.get("K"))):
                self._forbid("content given other tags", number)

    def _is_new(self, number: int) -> bool:
        return self.c.old.object(number) is None

    def _claims(self, item: PdfObject, depth: int) -> bool:
        """Tell whether a child of a new element is content or an element that was there before."""
        if isinstance(item, Ref) and not self._is_new(item.number):
            # An annotation's own element may be named by a reference to it.
            return _is_tag(self.c.old.object(item.number))
        node = self.c.new.resolve(item)
        if not isinstance(node, PdfDict):
            return isinstance(node, int)
        if "MCID" in node:
            shown = node.get("Stm")
            return not (isinstance(shown, Ref) and self._is_new(shown.number))
        if isinstance(item, Ref) or not _is_tag(node) or depth > _MAX_DEPTH:
            return depth > _MAX_DEPTH
        return any(self._claims(one, depth + 1) for one in self._listed(self.c.new, node.get("K")))

    def _keeps_leaves(self, before: PdfObject, after: PdfObject, leaves: str) -> bool:
        """Tell whether every key of a number or name tree leads where it led."""
        present = dict(self._leaves(self.c.new, after, leaves))
        return all(
            key in present and self._leads_there(value, present[key])
            for key, value in self._leaves(self.c.old, before, leaves)
        )

    def _leads_there(self, before: PdfObject, after: PdfObject) -> bool:
        old, new = self.c.old.resolve(before), self.c.new.resolve(after)
        if isinstance(old, list) and isinstance(new, list):
            self.c.references.visit(len(old))
            return len(new) >= len(old) and all(map(same, old, new))
        return same(before, after)

    def _leaves(
        self, view: View, root: PdfObject, leaves: str
    ) -> Iterator[tuple[PdfObject, PdfObject]]:
        waiting: list[tuple[PdfObject, int]] = [(root, 0)]
        count, seen = 0, set[int]()
        while waiting:
            item, depth = waiting.pop()
            if isinstance(item, Ref):
                if item.number in seen:
                    continue
                seen.add(item.number)
            node = view.dictionary(item)
            if node is None or depth > _MAX_DEPTH:
                continue
            listed = view.array(node.get(leaves))
            kids = view.array(node.get("Kids"))
            count = within(
                count + 1 + len(listed), view.document.limits.changed_objects, "too many tags"
            )
            self.c.references.visit(1 + len(listed) + len(kids))
            for key, value in zip(listed[::2], listed[1::2], strict=False):
                plain = view.resolve(key)
                if isinstance(plain, int | bytes):
                    yield plain, value
            waiting += [(kid, depth + 1) for kid in kids]

    def _listed(self, view: View, value: PdfObject) -> list[PdfObject]:
        """Give children as a list, of which there may be one without a list around it.

        Many elements may share one list, so each look into it counts.
        """
        found = view.resolve(value)
        if isinstance(found, list):
            self.c.references.visit(1 + len(found))
            return found
        return [] if found is None else [value]

    def _forbid(self, where: str, number: int | None = None) -> None:
        self.c.add("tags_changed", where, OTHER, seen=Seen(number))


def _keeps(before: list[PdfObject], after: list[PdfObject]) -> bool:
    """Tell whether everything is still there in its order, whatever came between."""
    rest = iter(after)
    return all(any(same(one, other) for other in rest) for one in before)


def _is_tag(value: PdfObject) -> bool:
    """Tell a structure element from other dictionaries with /S (groups have a Boolean /K)."""
    return (
        isinstance(value, PdfDict)
        and "S" in value
        and "P" in value
        and not isinstance(value.get("K"), bool)
        and value.get("Type") in {None, "StructElem"}
    )
