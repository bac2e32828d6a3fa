"""Making the intents of a batch: everything that is decided before anything is signed."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from sqlalchemy import update
from sqlalchemy.orm import Session

from ca import (
    authorities,
    csr,
    names,
    profiles,
    public_keys,
    requests,
    tbs,
    tbs_octets,
)
from ca.authority_signers import AuthoritySigner
from ca.errors import (
    KeyUnacceptable,
    RequestInvalid,
    SelfApproval,
    TransitionNotAllowed,
)
from ca.issue_entries import Entries
from ca.issue_rows import RequestFacts
from ca.models import (
    Certificate,
    CertificateRequest,
    CertificateStatus,
    CertificateStatusChange,
    RequestKind,
    RequestState,
)
from ca.profiles import Profile
from ca.subjects import subject_for
from ca.tbs import CertificateFacts
from db import audit
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore

State = RequestState
MakeKey = Callable[[str, KeyAlgorithm], KeyURI]
Permit = Callable[[Session, uuid.UUID], None]
"""Raises unless the actor may decide for this organisation."""


@dataclass(frozen=True, slots=True)
class Context:
    """What all certificates of a batch share."""

    keys: KeyStore
    at: datetime
    make_key: MakeKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to be issued, and by whom; with `approve` it is approved on the way."""

    request_id: uuid.UUID
    actor: str
    approve: bool = False
    note: str | None = None
    permit: Permit | None = None


@dataclass(slots=True)
class Intent:
    """What the first transaction hands to the second, in this process only."""

    id: uuid.UUID
    authority_id: uuid.UUID
    actor: str
    approved: bool
    request: RequestFacts
    facts: CertificateFacts
    signer: AuthoritySigner
    to_be_signed: bytes
    spki_sha256: str
    certificate_columns: dict[str, object]
    request_columns: dict[str, object]
    entries: Entries


class IntentMaker:
    """Checks requests and builds their intents; the authority is looked up once."""

    def __init__(self, session: Session, context: Context) -> None:
        self._context = context
        self._authority = authorities.issuing(session)
        self._signer = authorities.signer(self._authority, keys=context.keys)
        self._terms: dict[tuple[str, RequestKind], tuple[datetime, datetime]] = {}

    def make(self, item: Asked, request: RequestFacts) -> Intent:
        """Check one locked request and build its intent; raises what `ca.issue.issue` does."""
        approved = _check(item, request)
        profile = profiles.get(request.profile)
        certificate_id = uuid7()
        uri, public_key = self._key(request, profile, certificate_id)
        facts = self._facts(request, profile, public_key)
        to_be_signed = tbs_octets.write(facts, algorithm=self._signer.algorithm)
        spki = hashlib.sha256(facts.subject_public_key).hexdigest()
        changed = dict(request.columns, state=State.KEY_GENERATED)
        if approved:
            decided = {"decided_by": item.actor, "decided_at": self._context.at}
            changed |= {**decided, "decision_note": item.note}
        columns = self._columns(request, facts) | {
            "id": certificate_id,
            "key_uri": str(uri) if uri else None,
            "spki_sha256": spki,
            "tbs": to_be_signed,
        }
        return Intent(
            id=certificate_id,
            authority_id=self._authority.id,
            actor=item.actor,
            approved=approved,
            request=request,
            facts=facts,
            signer=self._signer,
            to_be_signed=to_be_signed,
            spki_sha256=spki,
            certificate_columns=columns,
            request_columns=changed,
            entries=Entries(request, columns, at=self._context.at, actor=item.actor),
        )

    def _key(
        self, request: RequestFacts, profile: Profile, certificate_id: uuid.UUID
    ) -> tuple[KeyURI | None, CertificatePublicKeyTypes]:
        if request.csr is not None:
            return None, csr.checked_key(request.csr, rules=profile.keys)
        make_key = self._context.make_key
        if make_key is None or request.key_algorithm is None:
            raise RequestInvalid(
                "the key is to be made here, and there is no token to make it on", reason="no_token"
            )
        try:
            uri = make_key(f"antin-{certificate_id}", KeyAlgorithm(request.key_algorithm))
            public_key = self._context.keys.open(uri).public_key()
        except HsmError as e:
            raise KeyUnacceptable("not_made", str(e)) from e
        public_keys.check_strength(public_key, rules=profile.keys)
        return uri, public_key

    def _facts(
        self, request: RequestFacts, profile: Profile, public_key: CertificatePublicKeyTypes
    ) -> CertificateFacts:
        authority = self._authority
        subject = subject_for(
            profile, subscriber=request.subscriber, organization=request.organization
        )
        not_before, not_after = self._validity(profile, request.kind)
        serial = tbs.new_serial_number()
        return CertificateFacts(
            profile=profile,
            serial_number=serial,
            subject=names.build(subject),
            public_key=public_key,
            not_before=not_before,
            not_after=not_after,
            issuer=self._signer.certificate,
            issuer_slug=authority.slug,
            public_url=authority.public_url,
            crl_shard=tbs.shard_of(serial, authority.crl_shards),
        )

    def _validity(self, profile: Profile, kind: RequestKind) -> tuple[datetime, datetime]:
        found = self._terms.get((profile.identifier, kind))
        if found is None:
            found = self._terms[profile.identifier, kind] = profiles.validity(
                profile,
                request=kind,
                at=self._context.at,
                issuer_not_after=self._authority.not_after,
            )
        return found

    def _columns(self, request: RequestFacts, facts: CertificateFacts) -> dict[str, object]:
        common_name = names.common_name(facts.subject)
        asked = request.columns
        return {
            "authority_id": self._authority.id,
            "serial_number": tbs.serial_text(facts.serial_number),
            "kind": facts.profile.kind,
            "status": CertificateStatus.ISSUING,
            "profile": facts.profile.identifier,
            "subscriber_id": asked["subscriber_id"],
            "organization_id": asked["organization_id"],
            "device_id": asked["device_id"],
            "predecessor_id": asked["certificate_id"],
            "request_id": asked["id"],
            "subject": names.written(facts.subject),
            "common_name": common_name,
            "search_name": names.fold(common_name),
            "not_before": facts.not_before,
            "not_after": facts.not_after,
            "created_at": self._context.at,
            "crl_shard": facts.crl_shard,
        }


def _check(item: Asked, request: RequestFacts) -> bool:
    """Check that the request may be issued by this actor; whether it is approved on the way."""
    if item.approve and item.actor == request.requested_by:
        raise SelfApproval("whoever asked for a certificate does not decide on it")
    if request.kind not in requests.ISSUING_KINDS:
        raise RequestInvalid(
            f"a request to {request.kind.value} ends in no certificate", reason="no_certificate"
        )
    if request.state is State.APPROVED:
        return False
    if not item.approve:
        raise TransitionNotAllowed(request.state.value, State.KEY_GENERATED.value)
    if State.APPROVED not in requests.TRANSITIONS[request.state] or (
        request.state is State.KEY_GENERATED
    ):
        raise TransitionNotAllowed(request.state.value, State.APPROVED.value)
    requests.check_texts(item.note)
    return True


def entries_of_intent(intent: Intent) -> list[str]:
    """Write the audit entries of the first transaction."""
    entries, before, note = intent.entries, intent.request.state, _note(intent)
    written: list[str] = []
    if intent.approved:
        written.append(entries.step(before, State.APPROVED, note=note))
        before = State.APPROVED
    written.append(entries.step(before, State.KEY_GENERATED, note=note))
    written.append(entries.certificate("certificate.intend"))
    return written


def entries_of_issue(intent: Intent) -> tuple[str, str]:
    """Write the audit entries of the second transaction."""
    step = intent.entries.step(State.KEY_GENERATED, State.ISSUED, note=_note(intent))
    return step, intent.entries.certificate("certificate.issue")


def give_up(session: Session, intent: Intent, why: Exception | None, *, at: datetime) -> None:
    """Abandon a locked intent whose twin may not be signed; its request is approved again."""
    abandoned = update(Certificate).where(Certificate.id == intent.id)
    session.execute(abandoned.values(status=CertificateStatus.ABANDONED))
    again = update(CertificateRequest).where(CertificateRequest.id == intent.request.id)
    session.execute(again.values(state=State.APPROVED))
    session.add(
        CertificateStatusChange(
            id=uuid7(),
            certificate_id=intent.id,
            at=at,
            status=CertificateStatus.ABANDONED,
            actor=intent.actor,
        )
    )
    intent.certificate_columns["status"] = CertificateStatus.ABANDONED
    step = intent.entries.step(State.KEY_GENERATED, State.APPROVED, note=_note(intent))
    audit.record_written(
        session, [step, intent.entries.certificate("certificate.abandon", note=str(why))]
    )


def _note(intent: Intent) -> object:
    return intent.request_columns["decision_note"]
