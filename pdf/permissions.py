"""What a signature lets later revisions do (ISO 32000-2 clauses 12.8.2.2 and 12.8.2.4).

DocMDP gives the level for the whole document, FieldMDP and signature field locks name fields.
Read from the revision that the signature covers: later revisions cannot widen it.
"""

from dataclasses import dataclass, replace

from pdf.change_kinds import Change, ChangeLevel
from pdf.signature_fields import FoundSignature, fields, text
from pdf.syntax import PdfDict, PdfObject
from pdf.view import View

_LEVELS = {
    1: ChangeLevel.LTA_UPDATES,
    2: ChangeLevel.FORM_FILLING,
    3: ChangeLevel.ANNOTATIONS,
}
_DEFAULT_P = 2
_CREATED = frozenset({"signature_added", "signature_field_added", "timestamp_added"})


@dataclass(frozen=True, kw_only=True)
class FieldLock:
    """Which fields are locked: `action` All, Include or Exclude."""

    action: str
    names: tuple[str, ...]

    def locks(self, name: str) -> bool:
        """Whether the field of this name (or one above it) is locked."""
        listed = any(name == item or name.startswith(f"{item}.") for item in self.names)
        if self.action == "Include":
            return listed
        return not listed if self.action == "Exclude" else True


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """The permissions of one signature; `certification` is the DocMDP /P, None without one."""

    certification: int | None = None
    locks: tuple[FieldLock, ...] = ()

    @classmethod
    def of(cls, revision: View | None, signature: FoundSignature) -> "Permissions":
        """Read the permissions that stand in the signature's own revision."""
        if revision is None:
            return cls()
        levels = [_certification(revision), *_references(revision, signature.dictionary)]
        locks = list(_locks(revision, signature.dictionary))
        own = _own_field(revision, signature)
        lock = revision.dictionary(own.get("Lock")) if own is not None else None
        if lock is not None:
            locks.append(_lock(revision, lock))
            level = revision.resolve(lock.get("P"))
            levels.append(level if isinstance(level, int) else None)
        strict = [level for level in levels if level is not None]
        return cls(certification=min(strict, default=None), locks=tuple(locks))

    def judge(self, change: Change) -> Change:
        """Give the change with the permission that allows it, or with None."""
        if change.level is ChangeLevel.OTHER:
            return replace(change, forbidden_by="signed content")
        if change.level is ChangeLevel.LTA_UPDATES:
            return replace(change, permitted_by="long-term validation data")
        name = change.field_name
        if name is not None and change.what not in _CREATED:
            for lock in self.locks:
                if lock.locks(name):
                    return replace(change, what="field_locked", forbidden_by="field lock")
        if self.certification is None:
            return replace(change, permitted_by="approval signature")
        allowed = _LEVELS.get(self.certification, ChangeLevel.LTA_UPDATES)
        if change.level.rank <= allowed.rank:
            return replace(change, permitted_by=f"DocMDP P={self.certification}")
        return replace(change, forbidden_by=f"DocMDP P={self.certification}")


def _certification(revision: View) -> int | None:
    """Give the /P of the document's certification, None when it has none."""
    catalog = revision.catalog
    if not isinstance(catalog, PdfDict):
        return None
    permissions = revision.dictionary(catalog.get("Perms"))
    signature = revision.dictionary(permissions.get("DocMDP")) if permissions else None
    if signature is None:
        return None
    found = _references(revision, signature)
    return found[0] if found else _DEFAULT_P


def _transforms(revision: View, signature: PdfDict, method: str) -> list[PdfDict]:
    result: list[PdfDict] = []
    for item in revision.array(signature.get("Reference")):
        reference = revision.dictionary(item)
        if reference is not None and revision.name(reference.get("TransformMethod")) == method:
            parameters = revision.dictionary(reference.get("TransformParams"))
            result.append(parameters if parameters is not None else PdfDict())
    return result


def _references(revision: View, signature: PdfDict) -> list[int]:
    found: list[int] = []
    for parameters in _transforms(revision, signature, "DocMDP"):
        level: PdfObject = revision.resolve(parameters.get("P", _DEFAULT_P))
        found.append(level if isinstance(level, int) and level in _LEVELS else 1)
    return found


def _locks(revision: View, signature: PdfDict) -> list[FieldLock]:
    return [
        _lock(revision, parameters) for parameters in _transforms(revision, signature, "FieldMDP")
    ]


def _lock(revision: View, parameters: PdfDict) -> FieldLock:
    names = tuple(text(revision.resolve(item)) for item in revision.array(parameters.get("Fields")))
    return FieldLock(action=revision.name(parameters.get("Action")) or "All", names=names)


def _own_field(revision: View, signature: FoundSignature) -> PdfDict | None:
    if signature.owner is not None:
        return revision.dictionary(signature.owner)
    for field in fields(revision):
        if field.name == signature.field:
            return field.dictionary
    return None
