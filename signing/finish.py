"""The last step of a signature: embedding it, and raising the document to its level."""

from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from pdf.certificates import read_certificate
from pdf.completion import complete
from pdf.embed import EmbeddedSignature
from pdf.extend import ExtensionOptions, stamp_end
from pdf.options import Level
from pdf.prepared import PreparedSignature
from pdf.range_digests import Prefix
from pdf.signer import SignerChain
from signing.desk import Desk


@dataclass(frozen=True)
class Finished:
    """The level that was reached, until when it can be proven, and what was hashed on the way."""

    level: Level
    proven_until: datetime
    prefix: Prefix | None = None


@dataclass(frozen=True)
class Finish:
    """A staged document, the raw signature over it, and what may be asked for help."""

    desk: Desk
    staged: BinaryIO
    chain: SignerChain
    signature: bytes
    at: datetime

    def at_level(self, prepared: PreparedSignature) -> Finished:
        """Finish the document at the level of `prepared`; raises a PdfError and changes nothing."""
        options = ExtensionOptions(
            level=prepared.level,
            at=self.at,
            timestamps=self.desk.timestamps,
            evidence=self.desk.evidence,
        )
        done = complete(self.staged, prepared, options, signature=self.signature, signer=self.chain)
        made, extended = done.made, done.extended
        if extended is None:
            return Finished(made.level, self._end(made), made.prefix)
        until = extended.proven_until or self._end(made)
        return Finished(extended.level, until, made.prefix)

    def _end(self, made: EmbeddedSignature) -> datetime:
        if made.token is not None:
            return stamp_end(made.token)
        return read_certificate(self.chain.certificate).not_after
