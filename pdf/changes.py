"""What came after a signature: every later revision compared with the one before it.

Each comparison is made once and serves all signatures (so twenty signatures cost twenty
comparisons, not two hundred); what a signature permits is judged afterwards. A change that no rule
explains is OTHER, and so is everything that a repairing reader might show differently.
"""

from pdf.appended import Appended
from pdf.byte_range import ByteRange, Coverage
from pdf.change_kinds import Change, ChangeLevel
from pdf.document import Document
from pdf.errors import LimitExceeded, PdfError
from pdf.permissions import Permissions
from pdf.references import References
from pdf.revision_diff import compare
from pdf.view import View
from pdf.xref import FREE

_SPACE = b"\x00\t\n\x0c\r "


class ChangeHistory:
    """The later revisions of one document, compared on demand."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._steps: dict[int, list[Change]] = {}
        self._direct: dict[int, list[Change]] = {}
        self._closures: dict[int, frozenset[int]] = {}
        self._lowest = len(document.latest.sections)
        self._appended: Appended | None = None
        self._references: References | None = None
        self._verdicts: dict[Permissions, dict[int, Change]] = {}
        self._same: dict[Change, Change] = {}

    def after(
        self, byte_range: ByteRange, permissions: Permissions
    ) -> tuple[ChangeLevel, tuple[Change, ...]]:
        """Level and list of all changes after the covered revision, judged by `permissions`."""
        revision = byte_range.revision
        if byte_range.coverage is Coverage.WHOLE_FILE or revision is None:
            return ChangeLevel.NONE, ()
        tail = self._document.buffer[byte_range.end : byte_range.end + 4096]
        if not tail.strip(_SPACE) and self._only_space(byte_range.end):
            return ChangeLevel.NONE, ()
        verdicts = self._verdicts.setdefault(permissions, {})
        judged: dict[int, Change] = {}
        for change in self._found(revision, byte_range.end):
            verdict = verdicts.get(id(change))
            if verdict is None:
                verdict = self._known(permissions.judge(change))
                verdicts[id(change)] = verdict
            judged[id(verdict)] = verdict
        level = max((one.level for one in judged.values()), key=_rank, default=None)
        return level or ChangeLevel.LTA_UPDATES, tuple(judged.values())

    def _known(self, change: Change) -> Change:
        """Give the one object for equal changes; it lives as long as this history."""
        return self._same.setdefault(change, change)

    def _only_space(self, start: int) -> bool:
        return all(
            not self._document.buffer[position : position + 65536].strip(_SPACE)
            for position in range(start, self._document.size, 65536)
        )

    def _found(self, revision: View, end: int) -> list[Change]:
        """Give the changes after a revision, each as its known object."""
        latest = self._document.latest
        if latest.repaired:
            return [self._broken("cross-references"), *self._compare_directly(revision)]
        base = revision.sections[0]
        index = next((i for i, s in enumerate(latest.sections) if s is base), None)
        if index is None or revision.repaired:
            return [self._broken("revision chain"), *self._compare_directly(revision)]
        changes = self._structure(latest, index, end)
        changes += [
            self._broken(f"at byte {offset}")
            for offset in self._referrers().overhanging(revision, end)
        ]
        for step in range(index - 1, -1, -1):
            changes += self._step(step)
        return changes

    def _structure(self, latest: View, index: int, end: int) -> list[Change]:
        changes: list[Change] = []
        offsets = [section.offset for section in latest.sections[:index]]
        if not offsets or min(offsets) < end or offsets != sorted(offsets, reverse=True):
            changes.append(self._broken("revision chain"))
        if any(section.doubtful() for section in latest.sections[:index]):
            changes.append(self._broken("cross-references"))
        if offsets and not _says_where_it_begins(latest, index):
            changes.append(self._broken("trailer"))
        appended = self._appended_after(end)
        for stretch in appended.loose_after(end):
            hidden = appended.hides_objects(stretch)
            what = "hidden_content" if hidden else "structure_broken"
            where = f"bytes {stretch[0]} to {stretch[1]}"
            changes.append(self._broken(where, what))
        return changes

    def _appended_after(self, end: int) -> Appended:
        if self._appended is None or self._appended.start > end:
            self._appended = Appended(self._document, end)
        return self._appended

    def _step(self, index: int) -> list[Change]:
        """Give changes that section `index` of the newest chain made."""
        if index not in self._steps:
            old = self._document.section_view(index + 1)
            new = self._document.section_view(index)
            if index >= self._lowest:
                self._closures.clear()  # Not the next step after the last one: forget.
            self._lowest = index
            numbers = set(new.sections[0].merged())
            self._steps[index] = self._compare(old, new, numbers, self._closures)
        return self._steps[index]

    def _compare_directly(self, revision: View) -> list[Change]:
        key = id(revision)
        if key not in self._direct:
            latest = self._document.latest
            numbers = {*revision.entries, *latest.entries}
            changed = {n for n in numbers if revision.location(n) != latest.location(n)}
            self._direct[key] = self._compare(revision, latest, changed, {})
        return self._direct[key]

    def _compare(
        self, old: View, new: View, numbers: set[int], closures: dict[int, frozenset[int]]
    ) -> list[Change]:
        try:
            found = compare(old, new, numbers, self._referrers, closures=closures)
        except LimitExceeded:
            raise
        except PdfError:
            return [self._broken("document", "unknown")]
        return [self._known(change) for change in found]

    def _broken(self, where: str, what: str = "structure_broken") -> Change:
        return self._known(Change(what=what, where=where, level=ChangeLevel.OTHER))

    def _referrers(self) -> References:
        if self._references is None:
            views = [
                self._document.section_view(i) for i in range(len(self._document.latest.sections))
            ]
            self._references = References(self._document, views)
        return self._references


def _says_where_it_begins(latest: View, index: int) -> bool:
    """Tell whether later trailers name the same catalogue, and the newest counts all objects.

    To readers that go by the generation, or by the size, there is another document or none.
    """
    before = latest.sections[index].trailer.get("Root")
    later = [section.trailer.get("Root", before) for section in latest.sections[:index]]
    size = latest.trailer.get("Size")
    used = max((n for n, entry in latest.entries.items() if entry.kind != FREE), default=0)
    return all(root == before for root in later) and isinstance(size, int) and size > used


def _rank(level: ChangeLevel) -> int:
    return level.rank
