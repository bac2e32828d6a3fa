"""Compare two revisions: the rules in their order, then what none of them explains."""

from collections.abc import Callable, Iterable

from pdf.catalog_changes import compare_catalogs, compare_trailers
from pdf.change_kinds import Change
from pdf.comparison import OTHER, Comparison
from pdf.form_changes import compare_forms
from pdf.page_changes import compare_pages
from pdf.references import References
from pdf.syntax import PdfDict, Ref, same
from pdf.tag_changes import compare_tags
from pdf.view import View


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
    work = Comparison(old, new, numbers, referrers, closures=closures)
    compare_trailers(work)
    root = new.trailer.get("Root")
    if not work.changed and same(old.trailer.get("Root"), root):
        return work.changes
    before, after = old.catalog, new.catalog
    if not isinstance(before, PdfDict) or not isinstance(after, PdfDict):
        work.add("catalog_changed", "catalogue", OTHER)
        return work.changes
    owner = root.number if isinstance(root, Ref) else None
    work.free(owner)
    widgets = compare_forms(work, before.get("AcroForm"), after.get("AcroForm"), owner)
    compare_pages(work, widgets)
    compare_catalogs(work, before, after, owner)
    compare_tags(work, before, after, owner)
    work.account()
    return work.changes
