"""What a worker can be asked to do: read, verify, prepare, extend, draw. Runs in the worker only.

Certificates are judged by the parent, which knows the registry and the anchors, or here with
anchors that came along: then the worker needs nobody.
"""

import contextlib
import io
import json
import os
import pickle
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import BinaryIO, cast

from pdf import verify as pdf_verify
from pdf.detached import DetachedQuestion, verify_detached
from pdf.differences import draw
from pdf.limits import DEFAULT_LIMITS
from pdf.rules import DEFAULT_RULES, Rules
from pdf.validator import CertificateValidator, Purpose
from signing import frames
from signing.edoc_reports import edoc_report
from signing.frames import ConnectionEnded, Frame
from signing.shown_differences import difference_heads
from signing.told_errors import told


@dataclass(frozen=True)
class Fact:
    """A revocation status that the parent has found."""

    status: str
    source: str | None
    this_update: datetime | None
    revoked_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Verdict:
    """The parent's verdict on a certificate."""

    trusted: bool
    sub_indication: str | None
    chain: tuple[bytes, ...]
    revocation: Fact
    messages: tuple[str, ...]


class AskingValidator:
    """Asks the parent; byte strings are sent once for a job and then named by their number."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._numbers: dict[bytes, int] = {}

    def validate(
        self,
        certificate: bytes,
        *,
        purpose: Purpose,
        at: datetime,
        others: Sequence[bytes],
        crls: Sequence[bytes],
        ocsp_responses: Sequence[bytes],
    ) -> Verdict:
        """Have a certificate judged."""
        fresh: list[bytes] = []

        def number(data: bytes) -> int:
            if data not in self._numbers:
                self._numbers[data] = len(self._numbers)
                fresh.append(data)
            return self._numbers[data]

        head: dict[str, object] = {
            "ask": "validate",
            "certificate": number(certificate),
            "others": [number(one) for one in others],
            "crls": [number(one) for one in crls],
            "ocsp_responses": [number(one) for one in ocsp_responses],
            "purpose": purpose,
            "at": at.isoformat(),
        }
        frames.send(self._connection, Frame(head, tuple(fresh)))
        answer = frames.receive(self._connection)
        if "failed" in answer.head:
            raise ConnectionEnded("the certificate could not be judged")
        fact = cast("Mapping[str, str | None]", answer.head["revocation"])
        return Verdict(
            trusted=bool(answer.head["trusted"]),
            sub_indication=cast("str | None", answer.head["sub_indication"]),
            chain=tuple(answer.parts),
            revocation=Fact(
                status=str(fact["status"]),
                source=fact["source"],
                this_update=_time(fact["this_update"]),
                revoked_at=_time(fact["revoked_at"]),
                reason=fact["reason"],
            ),
            messages=tuple(cast("list[str]", answer.head["messages"])),
        )


def run(asked: Frame, connection: socket.socket) -> Frame:
    """Do one job; what the files hold is in the answer, never an exception."""
    jobs = {
        "verify": _verify,
        "detached": _detached,
        "edoc": _edoc,
        "prepare": _prepare,
        "extend": _extend,
        "preflight": _preflight,
        "preview": _preview,
    }
    try:
        return jobs[str(asked.head["job"])](asked, connection)
    except (MemoryError, RecursionError):
        return Frame({"lost": "memory"})


def _verify(asked: Frame, connection: socket.socket) -> Frame:
    password = cast("str | None", asked.head.get("password"))
    seconds = min(DEFAULT_LIMITS.picture_seconds, float(str(asked.head["seconds"])) / 4)
    limits = replace(DEFAULT_LIMITS, picture_seconds=seconds)
    with _opened(asked.files[0]) as source:
        report = pdf_verify.verify(
            source,
            name=str(asked.head["name"]),
            at=_moment(asked.head["at"]),
            checked_at=_moment(asked.head["checked_at"]),
            validator=_validator(asked, connection),
            password=password,
            limits=limits,
            rules=_rules(asked),
        )
        answer: dict[str, object] = {"report": report.to_dict()}
        if not asked.head.get("pictures") or not report.looks:
            return Frame(answer)
        drawn = draw(source, report.looks, password=password, limits=limits)
    return Frame({**answer, **difference_heads(drawn)}, tuple(one.png for one in drawn))


def _detached(asked: Frame, connection: socket.socket) -> Frame:
    question = DetachedQuestion(
        content_name=str(asked.head["name"]),
        at=_moment(asked.head["at"]),
        checked_at=_moment(asked.head["checked_at"]),
    )
    with _opened(asked.files[0]) as file:
        signature = file.read(int(str(asked.head["limit"])) + 1)
    content = _opened(asked.files[1]) if len(asked.files) > 1 else None
    report = verify_detached(
        signature,
        content,
        question,
        validator=_validator(asked, connection),
        rules=_rules(asked),
    )
    return Frame({"report": report.to_dict()})


def _edoc(asked: Frame, connection: socket.socket) -> Frame:
    with _opened(asked.files[0]) as source:
        report = edoc_report(
            source,
            name=str(asked.head["name"]),
            at=_moment(asked.head["at"]),
            checked_at=_moment(asked.head["checked_at"]),
            validator=_validator(asked, connection),
            rules=_rules(asked),
        )
    return Frame({"report": report})


def _prepare(asked: Frame, connection: socket.socket) -> Frame:
    """Prepare a document for a signature; a refusal goes back with its class and facts."""
    from pdf.errors import PdfError  # noqa: PLC0415 -- most workers never sign
    from pdf.prepare import prepare  # noqa: PLC0415 -- as above

    del connection
    options, signer, algorithm = pickle.loads(asked.parts[0])  # noqa: S301 -- from our own parent
    with _opened(asked.files[0]) as source, _opened(asked.files[1], "r+b") as staged:
        try:
            prepared = prepare(source, staged, options=options, signer=signer, algorithm=algorithm)
        except PdfError as error:
            return Frame(told(error))
        staged.flush()
    return Frame({"prepared": prepared.to_json()})


def _extend(asked: Frame, connection: socket.socket) -> Frame:
    """Raise the signatures of a document; time-stamps and evidence are asked for."""
    from signing.extending_jobs import extended  # noqa: PLC0415 -- most workers never extend

    with contextlib.ExitStack() as stack:
        modes = ("rb", "r+b", "rb")
        files = [
            stack.enter_context(_opened(file, mode))
            for file, mode in zip(asked.files, modes, strict=False)
        ]
        return extended(asked, connection, files)


def _preflight(asked: Frame, connection: socket.socket) -> Frame:
    """Say what signing would do with a document."""
    from pdf.preflight import preflight  # noqa: PLC0415 -- most workers never sign

    del connection
    options, signer, algorithm = pickle.loads(asked.parts[0])  # noqa: S301 -- from our own parent
    with _opened(asked.files[0]) as source:
        found = preflight(source, options=options, signer=signer, algorithm=algorithm)
    head: dict[str, object] = {
        "document": found.document,
        "findings": [message.to_dict() for message in found.findings],
        "place": found.place,
    }
    return Frame(head if found.refusal is None else {**head, **told(found.refusal)})


def _preview(asked: Frame, connection: socket.socket) -> Frame:
    """Draw the page with the stamp that a signature would have."""
    from pdf.errors import PdfError  # noqa: PLC0415 -- most workers never sign
    from pdf.preview import preview  # noqa: PLC0415 -- as above

    del connection
    options, signer, algorithm = pickle.loads(asked.parts[0])  # noqa: S301 -- from our own parent
    dpi = float(str(asked.head["dpi"]))
    with _opened(asked.files[0]) as source:
        try:
            drawn = preview(source, options=options, signer=signer, algorithm=algorithm, dpi=dpi)
        except PdfError as error:
            return Frame(told(error))
    head: dict[str, object] = {
        "page": drawn.page,
        "pages": drawn.pages,
        "box": list(drawn.box),
        "scale": drawn.scale,
    }
    return Frame(head, (drawn.png,))


def _validator(asked: Frame, connection: socket.socket) -> CertificateValidator:
    if "offline" not in asked.head:
        return AskingValidator(connection)
    policy = cast("str | None", asked.head.get("policy"))
    terms = cast("str | None", asked.head.get("terms"))
    own = _own_validator(tuple(asked.parts), bool(asked.head["offline"]), policy, terms)
    return cast("CertificateValidator", own)


def _rules(asked: Frame) -> Rules:
    told = asked.head.get("rules")
    if told is not None:
        return Rules.from_json(cast("Mapping[str, object]", told))
    policy = asked.head.get("policy")
    return DEFAULT_RULES if policy is None else _own_rules(str(policy))


@lru_cache(maxsize=2)
def _own_rules(policy: str) -> Rules:
    from ca.algorithm_policy_file import read_policy  # noqa: PLC0415 -- as in `_own_validator`
    from signing.rules import rules_of  # noqa: PLC0415 -- as above

    return rules_of(read_policy(policy))


@lru_cache(maxsize=2)
def _own_validator(
    anchors: tuple[bytes, ...],
    offline: bool,  # noqa: FBT001 -- keys of the cache
    policy: str | None,
    terms: str | None,
) -> object:
    import ipaddress  # noqa: PLC0415 -- the server's workers never judge certificates

    from ca.algorithm_policy_file import read_policy  # noqa: PLC0415 -- as above
    from ca.anchor_terms import AnchorTerms  # noqa: PLC0415 -- as above
    from ca.guarded_fetch import Fetcher, FetchLimits  # noqa: PLC0415 -- as above
    from ca.http_source import HttpSource  # noqa: PLC0415 -- as above
    from ca.validation import PathPolicy, PathValidator  # noqa: PLC0415 -- as above

    # The addresses asked are those in certificates below an anchor that the user trusts.
    everywhere = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    sources = [] if offline else [HttpSource(Fetcher(FetchLimits(allowed=everywhere)))]
    rules = PathPolicy() if policy is None else PathPolicy(algorithms=read_policy(policy))
    told: dict[str, dict[str, object]] = json.loads(terms or "{}")
    return PathValidator(
        anchors,
        sources,
        policy=rules,
        terms={bytes.fromhex(mark): AnchorTerms.from_json(one) for mark, one in told.items()},
    )


def _opened(descriptor: int, mode: str = "rb") -> BinaryIO:
    file = cast("BinaryIO", io.open(os.dup(descriptor), mode))  # noqa: SIM115, UP020 -- used in `with`
    file.seek(0)
    return file


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
