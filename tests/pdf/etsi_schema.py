"""Checks an ETSI TS 119 102-2 document against the published structure of the standard.

The structure is read from the data classes that pyHanko generated from the schema (names, order,
namespaces, what is required): they are parsed as source text, since running them needs more.
"""

import ast
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from xml.etree.ElementTree import Element

_FILES = ("w3c/xmldsig_core", "etsi/xades", "etsi/ts_119612", "etsi/ts_11910202")
_UNORDERED = {"SignatureAttributesType"}  # a choice that repeats


@dataclass
class Member:
    """One element or attribute of a type."""

    name: str
    kind: str
    required: bool
    type_name: str


@dataclass
class Type:
    """A complex type: its members in order."""

    bases: list[str]
    members: list[Member] = field(default_factory=list)


@cache
def types() -> dict[str, Type]:
    spec = find_spec("pyhanko")
    assert spec is not None
    assert spec.origin or spec.submodule_search_locations
    home = Path(next(iter(spec.submodule_search_locations or []))) / "generated"
    found: dict[str, Type] = {}
    for file in _FILES:
        tree = ast.parse((home / f"{file}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                made = Type([base.id for base in node.bases if isinstance(base, ast.Name)])
                made.members = [m for part in node.body if (m := _member(part)) is not None]
                found.setdefault(node.name, made)
    return found


def _member(part: ast.stmt) -> Member | None:
    if not isinstance(part, ast.AnnAssign) or not isinstance(part.value, ast.Call):
        return None
    for keyword in part.value.keywords:
        if keyword.arg == "metadata":
            facts = _facts(keyword.value)
            if "type" not in facts:
                return None  # the text of a simple type
            space = facts.get("namespace", "")
            name = facts.get("name", part.target.id if isinstance(part.target, ast.Name) else "")
            full = f"{{{space}}}{name}" if space and facts["type"] == "Element" else name
            words = [n.id for n in ast.walk(part.annotation) if isinstance(n, ast.Name)]
            kind = next((word for word in words if word[0].isupper()), "str")
            needed = facts.get("required") == "True" or facts.get("min_occurs", "0") != "0"
            return Member(full, facts["type"], needed, kind)
    return None


def _facts(value: ast.expr) -> dict[str, str]:
    """Read the constants of a field's metadata."""
    assert isinstance(value, ast.Dict)
    return {
        str(key.value): str(item.value)
        for key, item in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant) and isinstance(item, ast.Constant)
    }


def members(name: str) -> list[Member]:
    made = types()[name]
    inherited = [member for base in made.bases for member in members(base)]
    return inherited + made.members


def problems(element: Element, type_name: str = "ValidationReportType") -> list[str]:
    """List where an element departs from its type; empty means it fits."""
    if type_name not in types():
        return [] if not len(element) else [f"{element.tag} should be simple"]
    known = members(type_name)
    if not any(member.kind in {"Element", "Wildcard"} for member in known):
        return []
    names = [member.name for member in known if member.kind == "Element"]
    wild = any(member.kind == "Wildcard" for member in known)
    found: list[str] = []
    position = 0
    for child in element:
        if child.tag not in names:
            own = child.tag.startswith("{urn:antin:")
            if not (wild and own):
                found.append(f"{child.tag} is not known in {type_name}")
            continue
        at = names.index(child.tag)
        if at < position and type_name not in _UNORDERED:
            found.append(f"{child.tag} is out of order in {type_name}")
        position = at
        member = next(m for m in known if m.name == child.tag)
        found += problems(child, member.type_name)
    present = {child.tag for child in element}
    found += [
        f"{member.name} is missing in {type_name}"
        for member in known
        if member.required
        and member.kind == "Element"
        and member.name not in present
        # of a choice whose branches the data classes list one after the other
        and not member.name.endswith("}SignersDocumentRepresentation")
    ]
    return found
