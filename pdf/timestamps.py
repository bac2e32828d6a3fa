"""Time-stamps from an authority: asking, and believing only what was asked for (RFC 3161).

A token is accepted when its status is granted, its imprint is the digest that was sent, its nonce
comes back, its digest and signature are right for the certificate in it, and that certificate may
make time-stamps. Whether the authority is trusted is the verifier's question, not asked here.
"""

from typing import Protocol


class TimestampSource(Protocol):
    """Gives time-stamps over digests."""

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Return a TimeStampToken (DER ContentInfo); raises TimestampUnavailable."""
