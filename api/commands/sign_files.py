"""One file through `antin sign`, in two steps: what is to be signed, then the signature put in.

The steps are a generator, so that several files may wait together for one PIN. A file that is not
finished leaves nothing behind, however it ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from api.commands.output_files import appearing
from pdf.cades import finish_detached, prepare_detached
from pdf.completion import complete
from pdf.extend import ExtensionOptions
from pdf.finished import is_finished, is_finished_beside
from pdf.prepare import SignatureAlgorithm, prepare

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pdf.evidence import EvidenceSource
    from pdf.options import SignatureOptions
    from pdf.signer import SignerChain
    from pdf.timestamps import HttpTimestampSource


@dataclass(frozen=True, slots=True)
class SigningTools:
    """Whose signature it is, and what each one is to look like."""

    algorithm: SignatureAlgorithm
    chain: SignerChain
    options: SignatureOptions
    timestamps: HttpTimestampSource | None
    evidence: EvidenceSource | None = None

    def sign(self, source: Path, target: Path) -> Generator[bytes, bytes]:
        """Sign one PDF; `target` appears only when it is finished."""
        with source.open("rb") as document, appearing(target) as staged:
            prepared = prepare(
                document,
                staged,
                options=self.options,
                signer=self.chain,
                algorithm=self.algorithm,
            )
            signature = yield prepared.to_be_signed
            complete(staged, prepared, self._extension(), signature=signature, signer=self.chain)

    def sign_detached(self, source: Path, target: Path) -> Generator[bytes, bytes]:
        """Write a detached signature over any file."""
        with source.open("rb") as document, appearing(target) as staged:
            prepared = prepare_detached(
                document,
                signer=self.chain,
                algorithm=self.algorithm,
                signing_time=self.options.signing_time,
                level=self.options.level,
                statement=self.options.statement,
            )
            made = finish_detached(
                prepared,
                signature=(yield prepared.to_be_signed),
                signer=self.chain,
                timestamps=self.timestamps,
                evidence=self.evidence,
                at=datetime.now(UTC),
            )
            staged.write(made.container)

    def is_finished(self, source: Path, target: Path) -> bool:
        """Say whether an earlier run has signed this file already."""
        if not _is_another(source, target):
            return False
        with source.open("rb") as document, target.open("rb") as signed:
            certificate, level = self.chain.certificate, self.options.level
            return is_finished(document, signed, certificate=certificate, level=level)

    def is_finished_beside(self, source: Path, target: Path) -> bool:
        """Say whether an earlier run has put the signature of this file beside it already."""
        if not _is_another(source, target):
            return False
        with source.open("rb") as document, target.open("rb") as signed:
            certificate, level = self.chain.certificate, self.options.level
            return is_finished_beside(document, signed, certificate=certificate, level=level)

    def _extension(self) -> ExtensionOptions:
        return ExtensionOptions(
            level=self.options.level,
            at=datetime.now(UTC),
            timestamps=self.timestamps,
            evidence=self.evidence,
            password=self.options.password,
        )


def _is_another(source: Path, target: Path) -> bool:
    return target.exists() and source.resolve() != target.resolve()
