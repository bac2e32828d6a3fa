"""The last step of a signature: putting it where it belongs, and raising that to its level."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from pdf.cades import PreparedDetached, finish_detached
from pdf.certificates import read_certificate
from pdf.completion import complete
from pdf.embed import EmbeddedSignature, reopen
from pdf.errors import SignatureRejected, TimestampUnavailable
from pdf.extend import ExtensionOptions, stamp_end
from pdf.options import Level
from pdf.prepared import PreparedSignature
from pdf.range_digests import Prefix
from pdf.signer import SignerChain
from signing.desk import Desk
from signing.errors import SignatureUnacceptable
from signing.models import WhenNoTimestamp
from signing.prepared_state import Prepared


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

    def anew(self, prepared: Prepared, *, when_no_timestamp: WhenNoTimestamp) -> Finished:
        """Finish at the level of `prepared`, whatever an attempt that was broken off has left.

        Without a time-stamp the signature alone is made, where the caller wants that. Raises
        SignatureUnacceptable, a PdfError.
        """
        self._reopen(prepared)
        try:
            return self.at_level(prepared)
        except SignatureRejected as error:
            raise SignatureUnacceptable(str(error)) from error
        except TimestampUnavailable:
            if when_no_timestamp is not WhenNoTimestamp.QUEUE:
                raise
            self._reopen(prepared)
            return self.at_level(replace(prepared, level=Level.B_B))

    def at_level(self, prepared: Prepared) -> Finished:
        """Finish the document at the level of `prepared`; raises a PdfError and changes nothing."""
        if isinstance(prepared, PreparedDetached):
            return self._beside(prepared)
        return self._inside(prepared)

    def _inside(self, prepared: PreparedSignature) -> Finished:
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

    def _beside(self, prepared: PreparedDetached) -> Finished:
        made = finish_detached(
            prepared,
            signature=self.signature,
            signer=self.chain,
            timestamps=self.desk.timestamps,
            evidence=self.desk.evidence,
            at=self.at,
        )
        self.staged.seek(0)
        self.staged.write(made.container)
        return Finished(prepared.level, made.proven_until or self._certificate_end())

    def _reopen(self, prepared: Prepared) -> None:
        if isinstance(prepared, PreparedDetached):
            self.staged.truncate(0)
        else:
            reopen(self.staged, prepared)

    def _end(self, made: EmbeddedSignature) -> datetime:
        return stamp_end(made.token) if made.token is not None else self._certificate_end()

    def _certificate_end(self) -> datetime:
        return read_certificate(self.chain.certificate).not_after
