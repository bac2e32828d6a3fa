"""Pictures of changed pages kept beside a verdict, only where the caller asked for it.

They show the document's content, which is otherwise never kept. They are stored like evidence: in
the manifest what they show, as items what they are, and they are destroyed with the verdict.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from pdf.differences import Difference
from signing.models import Verification
from signing.receipt_models import EvidenceItem, VerificationEvidence
from signing.shown_differences import HEADS, difference_heads, read_differences

KIND: Final = "picture"


def manifest(differences: Sequence[Difference]) -> dict[str, object]:
    """Give what the manifest says about pictures; nothing where there are none."""
    if not differences:
        return {}
    heads = cast("list[dict[str, object]]", difference_heads(differences)[HEADS])
    named = [{**head, KIND: _name(one)} for head, one in zip(heads, differences, strict=True)]
    return {HEADS: named}


def blobs(differences: Sequence[Difference]) -> dict[str, tuple[str, bytes]]:
    """Give the pictures by their digests."""
    return {_name(one): (KIND, one.png) for one in differences}


def differences_of(session: Session, kept: Verification) -> tuple[Difference, ...]:
    """Read the kept pictures of a verdict, in their order."""
    evidence = session.get(VerificationEvidence, kept.id)
    heads = evidence.manifest.get(HEADS) if evidence is not None else None
    if not isinstance(heads, list) or not heads:
        return ()
    named = [str(head[KIND]) for head in heads]
    query = select(EvidenceItem.sha256, EvidenceItem.data).where(EvidenceItem.sha256.in_(named))
    found = {digest: bytes(data) for digest, data in session.execute(query)}
    return read_differences(heads, [found.get(digest, b"") for digest in named])


def _name(one: Difference) -> str:
    return hashlib.sha256(one.png).hexdigest()
