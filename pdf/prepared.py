"""The half of a signature that waits for its key, fit to be stored.

With the staged file and this state anyone who holds the key can finish the signature later, on
another machine, after a restart. It holds no secret and no part of the document.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, fields
from typing import Self

from pdf.algorithms import SignatureAlgorithm
from pdf.errors import PreparedStateInvalid
from pdf.options import Level
from pdf.produced import Produced

_BYTES = ("to_be_signed", "document_digest")
_NUMBERS_IN_RANGE = 4


@dataclass(frozen=True)
class PreparedSignature:
    """What has to be signed, and where the signature goes in the staged file.

    `to_be_signed` is the DER SET of signed attributes: hash and sign exactly these bytes.
    `contents_offset` is the position of the first hex digit of /Contents, `contents_length` the
    number of hex digits; `byte_range` is the array of the same name. `produced` is what only the
    process knows that has just prepared it.
    """

    to_be_signed: bytes
    document_digest: bytes
    algorithm: SignatureAlgorithm
    level: Level
    byte_range: tuple[int, int, int, int]
    contents_offset: int
    contents_length: int
    field: str
    produced: Produced | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def hash_algorithm(self) -> str:
        """Name the digest of document and attributes."""
        return self.algorithm.hash_algorithm

    @property
    def digest(self) -> bytes:
        """Give the hash of `to_be_signed`, for keys that sign a digest."""
        return hashlib.new(self.hash_algorithm, self.to_be_signed).digest()

    def to_json(self) -> str:
        """Write the state as JSON."""
        state = {key: getattr(self, key) for key in _STORED}
        for key in _BYTES:
            state[key] = state[key].hex()
        return json.dumps({"version": 1, **state}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the state; raises PreparedStateInvalid for anything else."""
        try:
            state = json.loads(text)
            if state.pop("version") != 1:
                raise PreparedStateInvalid("the stored signature state is of another version")
            for key in _BYTES:
                state[key] = bytes.fromhex(state[key])
            state["algorithm"] = SignatureAlgorithm(state["algorithm"])
            state["level"] = Level(state["level"])
            state["byte_range"] = tuple(int(number) for number in state["byte_range"])
            prepared = cls(**state)
            prepared.require_consistent()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PreparedStateInvalid("the stored signature state cannot be read") from error
        return prepared

    def require_consistent(self) -> None:
        """Raise PreparedStateInvalid unless gap, container and byte range fit together."""
        if len(self.byte_range) != _NUMBERS_IN_RANGE:
            raise PreparedStateInvalid("the byte range does not have four numbers")
        first, before, after, rest = self.byte_range
        gap = (self.contents_offset - 1, self.contents_offset + self.contents_length + 1)
        if first != 0 or (before, after) != gap or rest < 0 or self.contents_length < 0:
            raise PreparedStateInvalid("the byte range does not leave out exactly the signature")


_STORED = tuple(each.name for each in fields(PreparedSignature) if each.name != "produced")
