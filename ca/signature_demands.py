"""What a policy demands of signatures, beside the strength of algorithms: attributes and policies.

Data only: whoever judges signatures reads it. Certificates are not concerned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ATTRIBUTES: Final = (
    "signing_certificate",
    "signing_time",
    "signature_policy",
    "content_time_stamp",
    "signature_time_stamp",
    "proven_time",
)
"""What can be required; the last is met by any trusted time-stamp over the signature."""


@dataclass(frozen=True, slots=True)
class KnownSignaturePolicy:
    """A signature policy whose document is known (EN 319 122-1 clause 5.2.9)."""

    identifier: str
    """Dotted object identifier."""
    digests: tuple[str, ...]
    """Of the policy's document as signatures state them, hexadecimal in small letters."""
    source: str = ""
    """Where the document is published, for whoever reads the policy later."""


@dataclass(frozen=True, slots=True)
class SignatureDemands:
    """The demands of one policy."""

    required: tuple[str, ...] = ()
    policies: tuple[KnownSignaturePolicy, ...] = ()
    known_policies_only: bool = False
    """Whether a signature under another policy is left undecided."""
