import asyncio
import hashlib
import json
import threading
import uuid
from collections.abc import Sequence
from typing import Never

import pytest
from cryptography import x509
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ca import issue, issue_batch, lint, public_keys, requests, revoke
from ca.authority_signers import AuthoritySigner
from ca.errors import (
    AuthorityUnavailable,
    KeyUnacceptable,
    LintFailed,
    RequestInvalid,
    RequestNotFound,
    SelfApproval,
    SignedBytesDiffer,
    TransitionNotAllowed,
)
from ca.issue_batch import Outcome, issue_together
from ca.issue_groups import IssueGroups
from ca.issue_intents import Asked, Context
from ca.models import (
    Certificate,
    CertificateRequest,
    CertificateStatus,
    CertificateStatusChange,
    RequestKind,
    RequestState,
)
from ca.models_publication import OcspAnswer
from ca.revocation_reasons import RevocationReason
from ca.tbs import tbs_of
from db import audit_verification
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError, TokenRemoved
from tests.ca.house import AT, CHIEF, CLERK, House, csr_for, ec_key


def batch(
    house: House, *asked: CertificateRequest | uuid.UUID, approve: bool = True
) -> list[Outcome]:
    items = [
        Asked(
            request_id=one if isinstance(one, uuid.UUID) else one.id, actor=CHIEF, approve=approve
        )
        for one in asked
    ]
    context = Context(house.keys, AT, house.make_key)
    return issue_batch.issue_batch(house.sessions, items, context=context)


def test_a_batch_leaves_every_row_that_the_single_walk_leaves(house: House) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(5)]
    outcomes = batch(house, *asked)
    assert [outcome.error for outcome in outcomes] == [None] * 5
    house.issue(house.approved(house.person(organization=unit)))
    with house.sessions() as session:
        rows = session.scalars(select(Certificate).order_by(Certificate.id)).all()
        assert len(rows) == 6
        *together, alone = rows
        for row in together:
            read = x509.load_der_x509_certificate(row.der or b"")
            assert f"{read.serial_number:040x}" == row.serial_number
            assert hashlib.sha256(row.der or b"").hexdigest() == row.sha256_fingerprint
            for name in ("tbs", "key_uri", "suspended_at", "revoked_at", "crl_entry", "status"):
                assert getattr(row, name) == getattr(alone, name)
        changes = select(func.count()).select_from(CertificateStatusChange)
        assert session.scalar(changes) == 6
        assert session.scalar(select(func.count()).select_from(OcspAnswer)) == 6
        states = set(session.scalars(select(CertificateRequest.state)))
        assert states == {RequestState.ISSUED}
        decided = set(session.scalars(select(CertificateRequest.decided_by)))
        assert decided == {CHIEF}
        counted = select(AuditEntry.action, func.count()).group_by(AuditEntry.action)
        steps = session.execute(counted.where(AuditEntry.action.like("certificate%"))).all()
        assert dict(steps) == {
            "certificate_request.received": 6,
            "certificate_request.approved": 6,
            "certificate_request.key_generated": 6,
            "certificate_request.issued": 6,
            "certificate.intend": 6,
            "certificate.issue": 6,
        }
        assert audit_verification.verify(session).first_broken is None


@pytest.mark.parametrize(
    "note", [None, 'đủ hồ sơ "\\" \u2028\x7f\t', "ghi chú " * 200], ids=range(3)
)
def test_the_audit_log_tells_of_a_batch_what_it_tells_of_one(
    house: House, note: str | None
) -> None:
    unit = house.organization()
    many, one = (house.received(house.person(organization=unit)) for _ in range(2))
    actor = 'Nguyễn "Văn" Ánh'
    item = Asked(request_id=many.id, actor=actor, approve=True, note=note)
    context = Context(house.keys, AT, house.make_key)
    (outcome,) = issue_together(house.sessions, [item], context=context)
    with house.sessions.begin() as session:
        requests.approve(session, one.id, at=AT, actor=actor, note=note)
    alone = issue.issue(house.sessions, request_id=one.id, keys=house.keys, at=AT, actor=actor)
    with house.sessions() as session:
        told = [
            _told(session, request, certificate)
            for request, certificate in ((many, outcome.certificate), (one, alone))
        ]
        assert audit_verification.verify(session).first_broken is None
    assert told[0] == told[1]
    assert len(told[0]) == 6


def _told(
    session: Session, request: CertificateRequest, certificate: Certificate
) -> list[tuple[str, ...]]:
    """What the log says, with words in the place of what is each one's own."""
    issued = certificate.der or b""
    own = {
        str(request.id): "the request",
        str(request.subscriber_id): "the subscriber",
        request.subscriber_id.hex: "the subscriber",
        str(certificate.id): "the certificate",
        certificate.serial_number: "the number",
        hashlib.sha256(issued).hexdigest(): "its hash",
        hashlib.sha256(tbs_of(issued)).hexdigest(): "the hash of what was signed",
    }
    about = AuditEntry.object_id.in_([str(request.id), str(certificate.id)])
    return sorted(
        (
            *(str(entry.at), entry.actor, entry.action, entry.object_type),
            *(_in_words(said, own) for said in (entry.object_id, entry.before, entry.after)),
        )
        for entry in session.scalars(select(AuditEntry).where(about))
    )


def _in_words(said: object, own: dict[str, str]) -> str:
    text_of = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    for value, word in own.items():
        text_of = text_of.replace(value, word)
    return text_of


def test_what_is_wrong_with_one_request_stops_no_other(house: House) -> None:
    unit = house.organization()
    good = house.received(house.person(organization=unit))
    own = house.received(house.person(organization=unit))
    shared = ec_key()
    first = house.received(house.person(organization=unit), csr=csr_for(shared))
    second = house.received(house.person(organization=unit), csr=csr_for(shared))
    certificate = house.certificate()
    ending = house.received(
        house.person(organization=unit),
        kind=RequestKind.UNLOCK,
        device_id=house.sim().id,
        csr=None,
    )
    blocked_key = ec_key()
    blocked = house.received(house.person(organization=unit), csr=csr_for(blocked_key))
    with house.sessions.begin() as session:
        public_keys.block(
            session,
            spki_sha256=public_keys.fingerprint(blocked_key.public_key()),
            reason="key_compromise",
            at=AT,
            actor=CHIEF,
        )
    missing = uuid.uuid4()
    items = [
        Asked(request_id=good.id, actor=CHIEF, approve=True),
        Asked(request_id=own.id, actor=CLERK, approve=True),
        Asked(request_id=first.id, actor=CHIEF, approve=True),
        Asked(request_id=second.id, actor=CHIEF, approve=True),
        Asked(request_id=ending.id, actor=CHIEF, approve=True),
        Asked(request_id=blocked.id, actor=CHIEF, approve=True),
        Asked(request_id=missing, actor=CHIEF, approve=True),
        Asked(request_id=good.id, actor=CHIEF, approve=True),
    ]
    outcomes = issue_together(house.sessions, items, context=Context(house.keys, AT))
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [
        type(None),
        SelfApproval,
        type(None),
        KeyUnacceptable,
        RequestInvalid,
        KeyUnacceptable,
        RequestNotFound,
        TransitionNotAllowed,
    ]
    with house.sessions() as session:
        assert requests.get(session, second.id).state is RequestState.RECEIVED
        issued = set(session.scalars(select(Certificate.request_id)))
    assert issued == {certificate.request_id, good.id, first.id}


class NotYours(Exception):
    """As a door refuses: not in this room's words."""


def test_attack_what_one_caller_may_not_decide_stops_no_other(house: House) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(3)]

    def refuse(_: Session, organization_id: uuid.UUID) -> None:
        raise NotYours(organization_id)

    items = [
        Asked(request_id=one.id, actor=CHIEF, approve=True, permit=permit)
        for one, permit in zip(asked, (None, refuse, None), strict=True)
    ]
    first, denied, last = issue_together(house.sessions, items, context=Context(house.keys, AT))
    assert first.certificate.request_id == asked[0].id
    assert last.certificate.request_id == asked[2].id
    with pytest.raises(NotYours):
        denied.request  # noqa: B018 -- reading it raises
    with house.sessions() as session:
        assert requests.get(session, asked[1].id).state is RequestState.RECEIVED


def test_a_database_that_fails_while_permits_are_asked_is_no_refusal(house: House) -> None:
    """Its transaction is lost, so each is asked for alone, and issued."""
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(2)]
    failed: list[uuid.UUID] = []

    def fail_once(session: Session, organization_id: uuid.UUID) -> None:
        if not failed:
            failed.append(organization_id)
            session.execute(text("SELECT 1 / 0"))

    items = [Asked(request_id=one.id, actor=CHIEF, approve=True, permit=fail_once) for one in asked]
    outcomes = issue_together(house.sessions, items, context=Context(house.keys, AT))
    assert [outcome.error for outcome in outcomes] == [None, None]


def test_what_was_not_approved_needs_the_word_of_a_second_person(house: House) -> None:
    request = house.received(house.person())
    (refused,) = batch(house, request, approve=False)
    assert isinstance(refused.error, TransitionNotAllowed)
    (issued,) = batch(house, request)
    assert issued.certificate.status is CertificateStatus.ACTIVE
    assert issued.request.state is RequestState.ISSUED
    (again,) = batch(house, request)
    assert isinstance(again.error, TransitionNotAllowed)


def test_a_key_made_by_the_server_is_made_in_a_batch_too(house: House) -> None:
    request = house.received(house.person(), key_algorithm=KeyAlgorithm.P_256)
    (outcome,) = batch(house, request)
    opened = house.keys.open(outcome.certificate.key_uri or "")
    read = x509.load_der_x509_certificate(outcome.certificate.der or b"")
    assert opened.public_key() == read.public_key()


def test_a_twin_with_findings_is_abandoned_and_the_others_are_issued(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    bad, good = (house.received(house.person(organization=unit)) for _ in range(2))
    fast = lint.fast_findings
    seen: list[bytes] = []

    def first_refused(twin: bytes, **facts: object) -> tuple[str, ...]:
        seen.append(twin)
        return ("refused",) if len(seen) == 1 else fast(twin, **facts)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(lint, "fast_findings", first_refused)
        refused, issued = batch(house, bad, good)
    assert isinstance(refused.error, LintFailed)
    assert issued.error is None
    with house.sessions() as session:
        assert requests.get(session, bad.id).state is RequestState.APPROVED
        statuses = set(session.scalars(select(Certificate.status)))
    assert statuses == {CertificateStatus.ABANDONED, CertificateStatus.ACTIVE}
    assert batch(house, bad)[0].error is None


class Interrupted(BaseException):
    """As sudden as a crash."""


def test_a_crash_between_the_commits_leaves_open_intents_and_no_signature_is_repeated(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(3)]
    signed: list[bytes] = []

    def crash_at_the_second(self: AuthoritySigner, messages: Sequence[bytes]) -> Never:
        self.sign(messages[0])
        signed.append(messages[0])
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(AuthoritySigner, "sign_all", crash_at_the_second)
        with pytest.raises(Interrupted):
            batch(house, *asked)
    with house.sessions() as session:
        intents = issue.open_intents(session)
        assert len(intents) == 3
        assert signed[0] in {intent.tbs for intent in intents}
    outcomes = batch(house, *asked)
    assert {type(outcome.error) for outcome in outcomes} == {TransitionNotAllowed}


def test_a_wrong_signature_never_becomes_a_certificate(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(2)]
    sign_all = AuthoritySigner.sign_all

    def first_wrong(self: AuthoritySigner, messages: Sequence[bytes]) -> list[bytes | HsmError]:
        return sign_all(self, [messages[0] + b"x", *messages[1:]])

    with monkeypatch.context() as patched:
        patched.setattr(AuthoritySigner, "sign_all", first_wrong)
        wrong, right = batch(house, *asked)
    assert isinstance(wrong.error, SignedBytesDiffer)
    with house.sessions() as session:
        rows = {row.request_id: row for row in session.scalars(select(Certificate))}
        row = rows[asked[0].id]
        assert (row.status, row.der) == (CertificateStatus.ISSUING, None)
        assert rows[asked[1].id].der == right.certificate.der


def test_what_was_signed_before_the_token_failed_is_stored(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(3)]
    sign_all = AuthoritySigner.sign_all

    def fails_after_one(self: AuthoritySigner, messages: Sequence[bytes]) -> list[bytes | HsmError]:
        usage = self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.key_cert_sign:  # the responder
            return sign_all(self, messages)
        gone = TokenRemoved("the token is not there any more")
        return [*sign_all(self, messages[:1]), *[gone] * (len(messages) - 1)]

    with monkeypatch.context() as patched:
        patched.setattr(AuthoritySigner, "sign_all", fails_after_one)
        first, *others = batch(house, *asked)
    assert first.certificate.status is CertificateStatus.ACTIVE
    assert {type(one.error) for one in others} == {AuthorityUnavailable}
    with house.sessions() as session:
        assert len(issue.open_intents(session)) == 2


def test_callers_who_come_together_share_commits_and_get_their_own_certificates(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    asked = [house.received(house.person(organization=unit)) for _ in range(24)]
    groups = IssueGroups(house.sessions)
    sizes: list[int] = []

    def counted(sessions: object, items: list[Asked], **more: object) -> list[Outcome]:
        sizes.append(len(items))
        return issue_together(sessions, items, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("ca.issue_groups.issue_together", counted)
    done: dict[uuid.UUID, Outcome] = {}
    start = threading.Barrier(len(asked))

    def call(request_id: uuid.UUID) -> None:
        start.wait()
        item = Asked(request_id=request_id, actor=CHIEF, approve=True)
        done[request_id] = groups.issue(item, context=Context(house.keys, AT))

    threads = [threading.Thread(target=call, args=(request.id,)) for request in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: outcome.certificate.request_id for key, outcome in done.items()} == {
        request.id: request.id for request in asked
    }
    assert sum(sizes) == 24
    assert len(sizes) < 24


def test_nobody_waits_for_groups_that_were_closed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = house.organization()
    first, second = (house.received(house.person(organization=unit)) for _ in range(2))
    groups = IssueGroups(house.sessions)
    at_work, go_on = threading.Event(), threading.Event()

    def held(sessions: object, items: list[Asked], **more: object) -> list[Outcome]:
        at_work.set()
        go_on.wait()
        return issue_together(sessions, items, **more)  # type: ignore[arg-type]

    async def ask(request: CertificateRequest) -> Outcome:
        item = Asked(request_id=request.id, actor=CHIEF, approve=True)
        context = Context(house.keys, AT)
        return await groups.issued(item, context=context, show=lambda outcome: outcome)

    async def close_meanwhile() -> list[Outcome]:
        leading = asyncio.create_task(ask(first))
        await asyncio.to_thread(at_work.wait)
        joining = asyncio.create_task(ask(second))
        await asyncio.sleep(0)  # it has joined
        groups._thread.shutdown(wait=False)
        go_on.set()
        return [await leading, await joining, await ask(second)]

    monkeypatch.setattr("ca.issue_groups.issue_together", held)
    issued, *late = asyncio.run(asyncio.wait_for(close_meanwhile(), 60))
    assert issued.certificate.request_id == first.id
    assert [type(one.error) for one in late] == [RuntimeError, RuntimeError]


def test_a_certificate_of_a_batch_can_be_revoked_like_any_other(house: House) -> None:
    (outcome,) = batch(house, house.received(house.person()))
    with house.sessions.begin() as session:
        row = revoke.revoke(
            session,
            certificate_id=outcome.certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=AT,
            actor=CHIEF,
        )
    assert row.status is CertificateStatus.REVOKED
    assert row.tbs is None
    assert tbs_of(row.der or b"")
