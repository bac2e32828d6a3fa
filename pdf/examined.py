"""What was found out about one signature, gathered on its way to the report."""

from dataclasses import dataclass, field
from datetime import datetime

from pdf.byte_range import ByteRange
from pdf.change_kinds import Change, ChangeLevel
from pdf.cms_check import CmsFacts
from pdf.conclusions import Conclusion
from pdf.signature_fields import FoundSignature


@dataclass(kw_only=True, eq=False)
class Examined:
    """Everything found out about one signature before certificates are judged."""

    found: FoundSignature
    byte_range: ByteRange
    facts: CmsFacts
    sub_filter: str | None
    is_timestamp: bool
    problems: list[str] = field(default_factory=list)
    level: ChangeLevel = ChangeLevel.NONE
    changes: tuple[Change, ...] = ()
    tokens: list[tuple[CmsFacts, Conclusion]] = field(default_factory=list)
    conclusion: Conclusion | None = None
    proven: datetime | None = None
    proven_by: str | None = None
    covers: tuple["Examined", ...] | None = None
    """What a time-stamp inside a CMS is over; None: a PDF's, which is over what ends before it."""
    holds_evidence: bool = True
    """Whether a time-stamp inside a CMS is also over revocation data."""

    covered_tokens: frozenset[bytes] | None = None
    """The signature time-stamps that a time-stamp inside a CMS is over; None: all."""

    def proves(self, token: bytes) -> bool:
        """Say whether this one, which follows a signature, is also over its time-stamp."""
        return self.covered_tokens is None or token in self.covered_tokens

    def follows(self, other: "Examined") -> bool:
        """Say whether this one, a time-stamp, is also over the other."""
        if self.covers is not None:
            return any(one is other for one in self.covers)
        return self.byte_range.end > other.byte_range.end

    @property
    def intact(self) -> bool:
        """Digest and signature hold over a sound ByteRange."""
        return self.facts.digest_match and self.facts.signature_match and self.byte_range.sound
