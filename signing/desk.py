"""What signing needs from its surroundings, handed in by the wiring."""

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session, sessionmaker

from hsm.later_keys import LaterKeys, no_providers
from hsm.providers import KeyStore
from pdf.evidence import EvidenceSource
from pdf.prepare import prepare
from pdf.timestamps import TimestampSource
from signing.batch_folder import BatchFolders
from signing.bounds import Allowance
from signing.documents import DocumentStore
from signing.extending import Extend, extend_here
from signing.judging import Judging
from signing.policy import SigningPolicy
from signing.preparing import Prepare
from signing.reading import DirectReading, Reading
from signing.tally import Tally


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Sessions, keys, documents, time-stamps and evidence of one installation; threads share it."""

    sessions: sessionmaker[Session]
    keys: KeyStore
    documents: DocumentStore
    timestamps: TimestampSource | None = None
    evidence: EvidenceSource | None = None
    policy: SigningPolicy = field(default_factory=SigningPolicy)
    allowance: Allowance = field(default_factory=Allowance)
    """What may wait, and be kept, for one caller."""
    tally: Tally = field(default_factory=Tally)
    remote: LaterKeys = field(default_factory=no_providers)
    prepare: Prepare = prepare
    extend: Extend = extend_here
    judging: Callable[[], Judging] | None = None
    """The full verifier, for looking at our own output."""
    reading: Reading = field(default_factory=DirectReading)

    @property
    def batches(self) -> BatchFolders:
        """Where the documents of batches wait."""
        return self.documents.batches
