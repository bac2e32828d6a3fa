"""What keys that answer later can do beside `start` and `collect`, and what a person is shown.

A request is shown on two screens: where it was made, and on the signer's phone. A short code made
from the very bytes to be signed stands on both, so that nobody confirms another's request.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Final, Protocol

from hsm.providers import DeferredKey, Pending, Prompt

_HIGH_BITS: Final = 0xFC
_LOW_BITS: Final = 0x7F


def verification_code(digests: Sequence[bytes]) -> str:
    """Give the four digits that both screens show for what is to be signed.

    They are six bits of its hash's first byte and seven of its last, as Mobile-ID phones compute
    them too. Several documents confirmed together have the code of the hash of their hashes.
    """
    digest = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return f"{(digest[0] & _HIGH_BITS) << 5 | digest[-1] & _LOW_BITS:04d}"


def shown_text(text: str, *, max_bytes: int, encoding: str = "utf-8") -> str:
    """Make text fit for a phone: one line, no control or direction characters, within a length.

    Characters that turn the direction of writing could make a file name read as another one.
    """
    flat = " ".join(unicodedata.normalize("NFC", text).split())
    plain = "".join(c for c in flat if unicodedata.category(c)[0] != "C")
    if len(plain.encode(encoding, "replace")) <= max_bytes:
        return plain
    ellipsis = "…" if encoding == "utf-8" else "..."
    room = max_bytes - len(ellipsis.encode(encoding))
    while plain and len(plain.encode(encoding, "replace")) > room:
        plain = plain[:-1]
    return plain + ellipsis


class LaterKey(DeferredKey, Protocol):
    """A key at an operator or a service.

    `answers_now` says that `collect` right after `start` gives the signature, without a person;
    `blocks` that `collect` waits for the person instead of coming back; `seconds` is how long the
    person has. `together` is the number of documents that one confirmation may cover.
    """

    @property
    def answers_now(self) -> bool:
        """Whether no person is waited for."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether collecting takes as long as the person does."""
        ...

    @property
    def seconds(self) -> int:
        """How long the person has."""
        ...

    @property
    def together(self) -> int:
        """How many documents one confirmation covers."""
        ...


class CanBatch(Protocol):
    """A key whose holder confirms several documents with one PIN."""

    def start_together(self, to_be_signed: Sequence[bytes], prompt: Prompt) -> tuple[Pending, ...]:
        """Ask once for several signatures."""
        ...

    def collect_together(self, pending: Sequence[Pending]) -> tuple[bytes, ...] | None:
        """Give all the checked signatures in their order, or None while one is missing."""
        ...


class CanCancel(Protocol):
    """A key whose open question can be taken back."""

    def cancel(self, pending: Pending) -> bool:
        """Take the question back; False where the provider has no way to be told."""
        ...
