"""What the sources said while certificates were judged, kept so that it can be said again.

A recorded validation is repeated with the same anchors, the same policy and the same answers, and
without any source of today: paths, signatures and freshness are all computed anew from the stored
bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from ca.algorithm_policy import AlgorithmPolicy, LegacyAnchor
from ca.anchor_terms import AnchorTerms
from ca.revocation import RevocationEvidence, RevocationFact, RevocationQuery, RevocationStatus
from ca.signature_demands import KnownSignaturePolicy, SignatureDemands
from ca.validation import PathPolicy, PathValidator, PathVerdict, RevocationRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ca.revocation import RevocationSource

VERSION: Final = 1
Said = RevocationFact | RevocationEvidence
_Key = tuple[str, str, str, str]


@dataclass(eq=False)
class Recording:
    """One validation's inputs and answers, and the bytes they consist of, by SHA-256."""

    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    policy: PathPolicy
    terms: Mapping[bytes, AnchorTerms] = field(default_factory=dict)
    sources: list[tuple[str, bool]] = field(default_factory=list)
    said: dict[_Key, list[Said]] = field(default_factory=dict)
    blobs: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """SHA-256 to (kind, bytes); kinds are certificate, crl and ocsp."""

    def note(self, key: _Key, said: Said) -> None:
        """Remember an answer."""
        self.said.setdefault(key, []).append(said)

    def keep(self, kind: str, data: bytes) -> str:
        """Remember bytes; gives their digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = (kind, data)
        return digest

    def validator(self, sources: Sequence[RevocationSource]) -> PathValidator:
        """Make the validator whose sources are listened to."""
        self.sources = [(source.name, source.authoritative) for source in sources]
        listening = [_Listening(source, self) for source in sources]
        return PathValidator(
            self.anchors,
            listening,
            intermediates=self.intermediates,
            policy=self.policy,
            terms=self.terms,
        )

    def keep_judged(
        self, judged: PathVerdict, crls: Iterable[bytes], ocsp: Iterable[bytes]
    ) -> None:
        """Remember the path that was found and what the document brought along for it."""
        for one in judged.chain:
            self.keep("certificate", one)
        for one in crls:
            self.keep("crl", one)
        for one in ocsp:
            self.keep("ocsp", one)

    def repeating(self) -> PathValidator:
        """Make the validator whose sources say what they said then."""
        sources = [_Recorded(name, authoritative, self) for name, authoritative in self.sources]
        return PathValidator(
            self.anchors,
            sources,
            intermediates=self.intermediates,
            policy=self.policy,
            terms=self.terms,
        )

    def manifest(self) -> dict[str, object]:
        """Give everything but the bytes as JSON."""
        answers = [
            {
                "source": source,
                "certificate": certificate,
                "issuer": issuer,
                "at": at,
                "said": [self._told(one) for one in said],
            }
            for (source, certificate, issuer, at), said in self.said.items()
        ]
        return {
            "version": VERSION,
            "anchors": [self.keep("certificate", one) for one in self.anchors],
            "intermediates": [self.keep("certificate", one) for one in self.intermediates],
            "policy": _policy_json(self.policy),
            "terms": {mark.hex(): terms.to_json() for mark, terms in self.terms.items()},
            "sources": [list(pair) for pair in self.sources],
            "answers": answers,
        }

    def _told(self, said: Said) -> dict[str, object]:
        if isinstance(said, RevocationEvidence):
            return {
                "crls": [self.keep("crl", one) for one in said.crls],
                "ocsp_responses": [self.keep("ocsp", one) for one in said.ocsp_responses],
            }
        return {
            "status": said.status.value,
            "source": said.source,
            "this_update": _text(said.this_update),
            "next_update": _text(said.next_update),
            "revoked_at": _text(said.revoked_at),
            "reason": said.reason,
        }

    @classmethod
    def of(
        cls, manifest: Mapping[str, object], blobs: Mapping[str, tuple[str, bytes]]
    ) -> Recording:
        """Read a manifest with its bytes; ValueError or KeyError when something is missing."""
        if manifest["version"] != VERSION:
            raise ValueError("another version")

        def bytes_of(names: object) -> tuple[bytes, ...]:
            return tuple(blobs[name][1] for name in cast("list[str]", names))

        made = cls(
            anchors=bytes_of(manifest["anchors"]),
            intermediates=bytes_of(manifest["intermediates"]),
            policy=_policy_of(cast("Mapping[str, object]", manifest["policy"])),
            terms={
                bytes.fromhex(mark): AnchorTerms.from_json(terms)
                for mark, terms in _mapping(manifest.get("terms", {})).items()
            },
            blobs=dict(blobs),
        )
        made.sources = [
            (str(name), bool(first))
            for name, first in cast("list[list[object]]", manifest["sources"])
        ]
        for answer in cast("list[dict[str, object]]", manifest["answers"]):
            key = tuple(str(answer[part]) for part in ("source", "certificate", "issuer", "at"))
            for one in cast("list[dict[str, object]]", answer["said"]):
                made.note(cast("_Key", key), _said(one, bytes_of))
        return made


@dataclass(frozen=True)
class _Listening:
    inner: RevocationSource
    recording: Recording

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def authoritative(self) -> bool:
        return self.inner.authoritative

    def look_up(self, query: RevocationQuery) -> Iterator[Said]:
        for said in self.inner.look_up(query):
            self.recording.note(_key(self.name, query), said)
            yield said


@dataclass(frozen=True)
class _Recorded:
    name: str
    authoritative: bool
    recording: Recording

    def look_up(self, query: RevocationQuery) -> Iterator[Said]:
        yield from self.recording.said.get(_key(self.name, query), ())


def _key(source: str, query: RevocationQuery) -> _Key:
    return (
        source,
        query.certificate.fingerprint.hex(),
        query.issuer.fingerprint.hex(),
        query.at.isoformat(),
    )


def _said(one: Mapping[str, object], read: Callable[[object], tuple[bytes, ...]]) -> Said:
    if "crls" in one:
        return RevocationEvidence(read(one["crls"]), read(one["ocsp_responses"]))
    return RevocationFact(
        RevocationStatus(str(one["status"])),
        cast("str | None", one["source"]),
        _time(one["this_update"]),
        _time(one["next_update"]),
        _time(one["revoked_at"]),
        cast("str | None", one["reason"]),
    )


def _policy_json(policy: PathPolicy) -> dict[str, object]:
    tables = policy.algorithms
    return {
        "revocation": policy.revocation.value,
        "hashes": {name: _text(end) for name, end in tables.hashes.items()},
        "rsa_bits": [[bits, _text(end)] for bits, end in tables.rsa_bits],
        "dsa_bits": tables.dsa_bits,
        "legacy_anchors": sorted(one.hex() for one in tables.legacy_anchors),
        "dated_anchors": [
            [
                one.fingerprint.hex(),
                one.since.isoformat(),
                one.until.isoformat(),
                one.source,
                one.documents,
            ]
            for one in tables.dated_anchors
        ],
        "required": list(tables.demands.required),
        "signature_policies": [
            [one.identifier, list(one.digests), one.source] for one in tables.demands.policies
        ],
        "known_policies_only": tables.demands.known_policies_only,
    }


def _policy_of(told: Mapping[str, object]) -> PathPolicy:
    dated = cast("Iterable[list[object]]", told["dated_anchors"])
    named = cast("Iterable[tuple[str, list[str], str]]", told.get("signature_policies", []))
    sizes = cast("Iterable[list[object]]", told["rsa_bits"])
    algorithms = AlgorithmPolicy(
        hashes={k: _time(v) for k, v in cast("Mapping[str, object]", told["hashes"]).items()},
        rsa_bits=tuple((int(str(bits)), _time(end)) for bits, end in sizes),
        dsa_bits=int(str(told["dsa_bits"])),
        legacy_anchors=frozenset(
            bytes.fromhex(one) for one in cast("list[str]", told["legacy_anchors"])
        ),
        dated_anchors=tuple(
            LegacyAnchor(
                bytes.fromhex(str(mark)),
                datetime.fromisoformat(str(since)),
                datetime.fromisoformat(str(until)),
                str(source),
                bool(more and more[0]),
            )
            for mark, since, until, source, *more in dated
        ),
        demands=SignatureDemands(
            tuple(cast("Iterable[str]", told.get("required", []))),
            tuple(
                KnownSignaturePolicy(identifier, tuple(digests), source)
                for identifier, digests, source in named
            ),
            known_policies_only=bool(told.get("known_policies_only", False)),
        ),
    )
    return PathPolicy(algorithms=algorithms, revocation=RevocationRule(str(told["revocation"])))


def _mapping(told: object) -> Mapping[str, Mapping[str, object]]:
    return cast("Mapping[str, Mapping[str, object]]", told)


def _text(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _time(value: object) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))
