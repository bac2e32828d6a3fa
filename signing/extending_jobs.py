"""The worker's half of an extension: `pdf.extend`, with everything from outside asked for."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from pdf.errors import PdfError
from pdf.evidence import Carried
from pdf.extend import ExtensionOptions
from pdf.options import Level
from pdf.validator import Purpose
from signing import frames
from signing.extending import extend_here
from signing.frames import Frame
from signing.told_errors import refusal, told


@dataclass(frozen=True)
class _Found:
    """Evidence as the parent has sent it."""

    trusted: bool
    sub_indication: str | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsp_responses: tuple[bytes, ...]


class _Asking:
    """Asks the parent; byte strings are sent once for a job and then named by their number."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._numbers: dict[bytes, int] = {}

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Have a digest time-stamped; raises what the parent met."""
        asked = Frame({"ask": "timestamp", "hash": hash_algorithm}, (digest,))
        return bytes(self._answer(asked).parts[0])

    def collect(
        self,
        certificate: bytes,
        *,
        purpose: Purpose,
        at: datetime,
        asked_at: datetime | None,
        carried: Carried,
    ) -> _Found:
        """Have the evidence for a certificate found."""
        fresh: list[bytes] = []

        def numbers(items: Sequence[bytes]) -> list[int]:
            for item in items:
                if item not in self._numbers:
                    self._numbers[item] = len(self._numbers)
                    fresh.append(item)
            return [self._numbers[item] for item in items]

        head: dict[str, object] = {
            "ask": "evidence",
            "certificate": numbers([certificate]),
            "certificates": numbers(carried.certificates),
            "crls": numbers(carried.crls),
            "ocsp_responses": numbers(carried.ocsp_responses),
            "purpose": purpose,
            "at": at.isoformat(),
            "asked_at": None if asked_at is None else asked_at.isoformat(),
        }
        answer = self._answer(Frame(head, tuple(fresh)))
        first, second, _ = cast("list[int]", answer.head["counts"])
        parts = tuple(answer.parts)
        return _Found(
            trusted=bool(answer.head["trusted"]),
            sub_indication=cast("str | None", answer.head["sub_indication"]),
            certificates=parts[:first],
            crls=parts[first : first + second],
            ocsp_responses=parts[first + second :],
        )

    def _answer(self, asked: Frame) -> Frame:
        frames.send(self._connection, asked)
        answer = frames.receive(self._connection)
        if "refused" in answer.head:
            raise refusal(answer.head)
        return answer


def extended(asked: Frame, connection: socket.socket, files: Sequence[BinaryIO]) -> Frame:
    """Extend the first file into the second; a refusal goes back with its class and facts.

    A third file is what the first, a detached signature, is over.
    """
    head = asked.head
    asking = _Asking(connection)
    size = head["timestamp_size"]
    options = ExtensionOptions(
        level=Level(str(head["level"])),
        at=datetime.fromisoformat(str(head["at"])),
        timestamps=asking if head["timestamps"] else None,
        evidence=asking if head["evidence"] else None,
        password=cast("str | None", head["password"]),
        timestamp_size=None if size is None else int(str(size)),
    )
    source, target, *beside = files
    try:
        done = extend_here(source, target, options, content=beside[0] if beside else None)
    except PdfError as error:
        return Frame(told(error))
    target.flush()
    until = done.proven_until
    return Frame(
        {
            "extended": {
                "level": done.level,
                "size": done.size,
                "changed": done.changed,
                "proven_until": None if until is None else until.isoformat(),
            }
        }
    )
