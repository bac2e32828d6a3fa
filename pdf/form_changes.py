"""Rules for the form between two revisions: filling in, signing, new signature fields.

Fields are compared entry by entry. Only entries that filling in or signing must change may change;
what a field shows must follow from its value; a signed field stays as it was signed.
"""

from pdf.appearance_text import shows_value
from pdf.change_kinds import Seen
from pdf.change_places import field_place
from pdf.comparison import FORM, LTA, OTHER, Comparison
from pdf.field_visibility import paints, visibility
from pdf.shown_values import FieldChange, follows_from_value, inherited_value
from pdf.signature_fields import fields, text
from pdf.syntax import PdfDict, PdfObject, Ref, same

_FORM_KEYS = frozenset({"Fields", "DR", "SigFlags", "DA", "Q", "NeedAppearances"})
_VALUE_KEYS = frozenset({"V", "AP", "AS", "M", "F", "I", "RV", "DA", "Q", "Ff", "Type", "MK"})
_SIGNING_KEYS = frozenset(
    {"V", "AP", "AS", "M", "F", "DA", "Q", "Ff", "Type", "MK", "P", "StructParent"}
)
_TREE_KEYS = frozenset({"Kids", "Parent"})
_MAX_DEPTH = 60


def compare_forms(
    comparison: Comparison, before: PdfObject, after: PdfObject, catalog: int | None
) -> set[int]:
    """Compare the forms; give the numbers of all field and widget objects of the new one."""
    return _Forms(comparison, catalog).run(before, after)


class _Forms:
    def __init__(self, comparison: Comparison, catalog: int | None) -> None:
        self.c = comparison
        self.catalog = catalog
        self.widgets: set[int] = set()
        catalog_dict = comparison.old.catalog
        permissions = catalog_dict.get("Perms") if isinstance(catalog_dict, PdfDict) else None
        holder = comparison.old.dictionary(permissions)
        self.certified = holder is not None and "DocMDP" in holder

    def run(self, before: PdfObject, after: PdfObject) -> set[int]:
        c = self.c
        old = c.old.dictionary(before) or PdfDict()
        new = c.new.dictionary(after)
        if new is None:
            if before is not None and old:
                c.add("form_changed", "form", OTHER)
            return self.widgets
        owner = after.number if isinstance(after, Ref) else self.catalog
        if isinstance(after, Ref):
            c.free(after.number)
        for key in sorted({*old, *new} - _FORM_KEYS):
            if not same(old.get(key), new.get(key)):
                c.add("form_changed", f"form /{key}", OTHER)
        self._needs_appearances(old, new)
        self._default_looks(old, new)
        if c.touched(old.get("DR"), new.get("DR")):
            self._resources(old.get("DR"), new.get("DR"), owner)
        values = (old.get("Fields"), new.get("Fields"))
        for value in values:
            if isinstance(value, Ref):
                c.explain(value.number, owner, {"Fields"})
        self._lists(c.old.array(values[0]), c.new.array(values[1]), "", owner, 0)
        return self.widgets

    def _needs_appearances(self, old: PdfDict, new: PdfDict) -> None:
        """Asking readers to draw all fields anew may bring other values to light."""
        before = self.c.old.resolve(old.get("NeedAppearances"))
        after = self.c.new.resolve(new.get("NeedAppearances"))
        if after is not True or before is True:
            return
        for field in fields(self.c.old):
            if field.kind == "Tx" and "AP" in field.dictionary:
                value = self.c.old.resolve(field.value)
                if shows_value(self.c.old, field.dictionary["AP"], value) is False:
                    self.c.add("appearance_swapped", field.name, OTHER, field.name)
        self.c.add("form_changed", "form /NeedAppearances", FORM)

    def _default_looks(self, old: PdfDict, new: PdfDict) -> None:
        """How fields are drawn that do not say it themselves stays, unless nobody is to draw."""
        draws = self.c.new.resolve(new.get("NeedAppearances")) is True
        for key in ("DA", "Q"):
            before, after = (
                view.resolve(form.get(key)) for view, form in ((self.c.old, old), (self.c.new, new))
            )
            if same(before, after) or (before is None and not draws):
                continue
            if any(field.kind != "Sig" for field in fields(self.c.old)):
                self.c.add("form_changed", f"form /{key}", OTHER)

    def _resources(  # noqa: C901 (one small decision for each of the places resources stand in)
        self, before: PdfObject, after: PdfObject, owner: int | None
    ) -> None:
        """Default resources may get further entries; existing ones stay."""
        c = self.c
        old, new = c.old.dictionary(before) or PdfDict(), c.new.dictionary(after) or PdfDict()
        for kind in old:
            one = c.old.resolve(old[kind])
            two = c.new.resolve(new.get(kind))
            if isinstance(one, PdfDict) and isinstance(two, PdfDict):
                if any(not same(one[name], two.get(name)) for name in one):
                    c.add("form_changed", f"form /DR /{kind}", OTHER)
            elif not same(one, two):
                c.add("form_changed", f"form /DR /{kind}", OTHER)
            if isinstance(after, Ref) and isinstance(new.get(kind), Ref):
                c.explain(_number(new[kind]), after.number, {kind})
        if isinstance(after, Ref):
            c.explain(after.number, owner, {"DR"})
            for kind in new:
                if isinstance(new[kind], Ref):
                    c.explain(_number(new[kind]), after.number, {kind})
        else:
            for kind in new:
                if isinstance(new[kind], Ref):
                    c.explain(_number(new[kind]), owner, {"DR"})

    def _lists(
        self,
        old: list[PdfObject],
        new: list[PdfObject],
        prefix: str,
        owner: int | None,
        depth: int,
    ) -> None:
        if depth > _MAX_DEPTH:
            self.c.add("form_changed", "form nested too deeply", OTHER)
            return
        refs = {item for item in old if isinstance(item, Ref)}
        direct: list[PdfObject] = [item for item in old if not isinstance(item, Ref)]
        for item in new:
            if isinstance(item, Ref):
                if item in refs:
                    refs.discard(item)
                    if self.c.untouched(item.number):
                        self.widgets.add(item.number)
                    else:
                        self._field(item, item, prefix, owner, depth)
                elif item.number not in self.widgets:
                    self._new_field(item, prefix)
                continue
            index = self._by_name(direct, item)
            if index is None:
                self._new_field(item, prefix)
            else:
                self._field(direct.pop(index), item, prefix, owner, depth)
        for item in (*sorted(refs), *direct):
            node = self.c.old.dictionary(item)
            if node is None and isinstance(item, Ref):
                continue  # Listed, but there never was such a field.
            name = _name(self.c, node or PdfDict(), prefix)
            self.c.add("field_removed", name, OTHER, seen=field_place(self.c.old, item))

    def _by_name(self, left: list[PdfObject], item: PdfObject) -> int | None:
        """Find a field given directly in the array by its name."""
        node = self.c.new.dictionary(item)
        for index, other in enumerate(left):
            candidate = self.c.old.dictionary(other)
            if (
                node is not None
                and candidate is not None
                and same(candidate.get("T"), node.get("T"))
            ):
                return index
        return None

    # An existing field -----------------------------------------------------------------------

    def _field(  # noqa: C901 (the questions one field is asked, in their order)
        self, before: PdfObject, after: PdfObject, prefix: str, owner: int | None, depth: int
    ) -> None:
        c = self.c
        if isinstance(after, Ref):
            if after.number in self.widgets:
                return
            self.widgets.add(after.number)
            owner = after.number
            if c.untouched(after.number):
                return
        old, new = c.old.dictionary(before), c.new.dictionary(after)
        if old is None and new is None:
            return
        if old is None or new is None:
            what = "field_added" if old is None else "field_removed"
            c.add(
                what,
                _name(c, old or new or PdfDict(), prefix),
                OTHER,
                seen=field_place(c.new, after),
            )
            return
        name = _name(c, new, prefix)
        if isinstance(after, Ref):
            c.free(after.number)
        if not same(old.get("T"), new.get("T")):
            c.add("field_changed", name, OTHER, seen=field_place(c.new, after))
        fact = FieldChange(old, new, after, name, owner, _kind(c, new))
        if fact.kind == "Sig":
            self._signature_field(fact)
        else:
            self._value_field(fact)
        for value in (old.get("Kids"), new.get("Kids")):
            if isinstance(value, Ref):
                c.explain(value.number, owner, {"Kids"})
        self._lists(
            c.old.array(old.get("Kids")), c.new.array(new.get("Kids")), name, owner, depth + 1
        )

    def _different(self, old: PdfDict, new: PdfDict, keys: frozenset[str]) -> set[str]:
        """Entries outside `keys` that differ."""
        return {
            key for key in {*old, *new} - keys - _TREE_KEYS if not same(old.get(key), new.get(key))
        } | ({"Parent"} if not same(old.get("Parent"), new.get("Parent")) else set())

    def _signature_field(self, field: FieldChange) -> None:
        c, old, new, name = self.c, field.old, field.new, field.name
        seen = field_place(c.new, field.item)
        was, now = c.old.resolve(old.get("V")), c.new.resolve(new.get("V"))
        inherited = inherited_value(c, old) if was is None else was
        if inherited is not None:
            value_touched = "V" in old and c.touched(old.get("V"), new.get("V"))
            shown = [
                key
                for key in ("AP", "AS", "Rect", "F", "MK")
                if c.touched(old.get(key), new.get(key))
            ]
            others = self._different(old, new, frozenset({"AP", "AS", "F", "MK", "V", "M", "P"}))
            kids = not same(old.get("Kids"), new.get("Kids"))
            if value_touched or shown or others or kids:
                c.add("signature_changed", name, OTHER, name, seen)
            return
        different = self._different(old, new, _SIGNING_KEYS)
        if different:
            c.add("field_changed", f"{name} /{', /'.join(sorted(different))}", OTHER, name, seen)
        if c.touched(old.get("AP"), new.get("AP")):
            c.explain_below((old.get("AP"), new.get("AP")), field.owner, "AP")
            if now is None and inherited_value(c, new) is None:
                c.add("appearance_swapped", name, OTHER, name, seen)
        if now is not None:
            self._signed(seen, new, name, created=False)

    def _value_field(self, field: FieldChange) -> None:
        c, old, new, name = self.c, field.old, field.new, field.name
        different = self._different(old, new, _VALUE_KEYS)
        touched = {key for key in _VALUE_KEYS if c.touched(old.get(key), new.get(key))}
        if not different and not touched:
            return
        shown = follows_from_value(c, field, touched)
        seen = field_place(c.new, field.item, shown.says)
        if different:
            parts = f"{name} /{', /'.join(sorted(different))}"
            c.add("field_changed", parts, OTHER, name, seen)
        for key in touched & {"V", "RV", "I", "AP", "MK"}:
            c.explain_below((old.get(key), new.get(key)), field.owner, key)
        if not shown.follows:
            c.add("appearance_swapped", name, OTHER, name, seen)
        if touched:
            c.add("field_filled", name, FORM, name, seen)

    # A new field -----------------------------------------------------------------------------

    def _new_field(self, item: PdfObject, prefix: str) -> None:
        c = self.c
        node = c.new.dictionary(item)
        name = _name(c, node or PdfDict(), prefix)
        if isinstance(item, Ref):
            self.widgets.add(item.number)
            if c.old.object(item.number) is not None and not self._widget_only(item.number):
                used = f"{name} (object {item.number} used before)"
                c.add("field_added", used, OTHER, name)
            elif item.number in c.changed:
                c.free(item.number)
        if node is None:
            return
        seen = field_place(c.new, item)
        if _kind(c, node) != "Sig":
            c.add("field_added", name, OTHER, name, seen)
            return
        for kid in c.new.array(node.get("Kids")):
            if isinstance(kid, Ref):
                self.widgets.add(kid.number)
        if c.new.resolve(node.get("V")) is None:
            visible, large = visibility(c.new, node)
            over = large or (visible and (self.certified or paints(c.new, node)))
            what = "signature_field_over_content" if over else "signature_field_added"
            c.add(what, name, OTHER if over else FORM, name, seen)
        else:
            self._signed(seen, node, name, created=True)

    def _widget_only(self, number: int) -> bool:
        """Give an object that stood on the page as it is now, without being listed in the form."""
        return number not in self.c.changed

    def _signed(self, seen: Seen, node: PdfDict, name: str, *, created: bool) -> None:
        c = self.c
        value = node.get("V")
        if isinstance(value, Ref) and c.old.object(value.number) is not None:
            used = f"{name} (object {value.number} used before)"
            c.add("signature_changed", used, OTHER, name, seen)
            return
        signature = c.new.dictionary(value) or PdfDict()
        stamp = c.new.name(signature.get("SubFilter")) == "ETSI.RFC3161"
        visible, large = visibility(c.new, node)
        if created and (large or (visible and self.certified)):
            c.add("signature_field_over_content", name, OTHER, name, seen)
        level = LTA if stamp and not visible else FORM
        c.add("timestamp_added" if stamp else "signature_added", name, level, name, seen)


def _number(value: PdfObject) -> int:
    return value.number if isinstance(value, Ref) else -1


def _name(comparison: Comparison, node: PdfDict, prefix: str) -> str:
    own = text(comparison.new.resolve(node.get("T"))) if "T" in node else ""
    if prefix and own:
        return f"{prefix}.{own}"
    return own or prefix or "unnamed field"


def _kind(comparison: Comparison, node: PdfDict) -> str | None:
    """Give the field type, inherited through /Parent."""
    current: PdfDict | None = node
    for _ in range(_MAX_DEPTH):
        if current is None:
            return None
        if "FT" in current:
            return comparison.new.name(current["FT"])
        current = comparison.new.dictionary(current.get("Parent"))
    return None
