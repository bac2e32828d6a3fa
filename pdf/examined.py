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

    @property
    def intact(self) -> bool:
        """Digest and signature hold over a sound ByteRange."""
        return self.facts.digest_match and self.facts.signature_match and self.byte_range.sound
