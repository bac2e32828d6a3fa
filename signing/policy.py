"""What this service signs with when the caller does not say: level, algorithm, stamp.

Data, not law: the values have their source beside them and are replaced as rules change.
"""

from dataclasses import dataclass
from datetime import timedelta

from pdf.algorithms import SignatureAlgorithm
from pdf.options import Level
from signing.errors import AlgorithmNotOffered, LevelNotOffered

HOLDER_TIME = timedelta(minutes=30)
"""How long a prepared document waits for its holder: reading, finding the token, typing the PIN."""


@dataclass(frozen=True, kw_only=True)
class SigningPolicy:
    """Defaults and bounds of one installation."""

    default_level: Level = Level.B_T
    """A time-stamp keeps the signature valid after the certificate ends (EN 319 102-1 5.5)."""
    levels: frozenset[Level] = frozenset(Level)
    holder_time: timedelta = HOLDER_TIME
    prefer_pss: bool = False
    """Installed tokens make PKCS#1 v1.5 signatures; the technical list names PSS."""
    experimental: bool = False
    """Whether algorithms may be used that hardly any verifier knows yet (ML-DSA)."""

    def level(self, asked: Level | None) -> Level:
        """Return the level to make; raises LevelNotOffered."""
        level = asked or self.default_level
        if level not in self.levels:
            raise LevelNotOffered(f"level {level} is not offered here")
        return level

    def algorithm(self, default: SignatureAlgorithm) -> SignatureAlgorithm:
        """Return the algorithm to sign with, given what suits the key.

        Raises AlgorithmNotOffered.
        """
        if default.is_experimental and not self.experimental:
            raise AlgorithmNotOffered(f"{default} is an experiment and is not used here")
        if self.prefer_pss and default is SignatureAlgorithm.RSA_PKCS1_SHA256:
            return SignatureAlgorithm.RSA_PSS_SHA256
        return default
