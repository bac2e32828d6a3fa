"""Issuing many certificates with two commits: the walk of `ca.issue`, many side by side.

    1  the requests are locked, approved where that was asked, and checked; the keys are claimed;
       all intents with their TBSCertificates are stored; commit
    2  the intents are locked; each twin is linted, signed and checked; all certificates with
       status change, OCSP answer and audit entries are stored; commit

What is wrong with one request is its own outcome and stops no other. A crash between the commits
leaves open intents, as the single walk leaves one, and no code path signs them later.
"""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from ca import issue_intents, issue_rows, lint, ocsp, ocsp_messages
from ca.errors import (
    AuthorityNotFound,
    AuthorityUnavailable,
    CaError,
    IntentNotOpen,
    LintFailed,
    RequestNotFound,
    SignedBytesDiffer,
    TransitionNotAllowed,
)
from ca.issue_intents import Asked, Context, Intent
from ca.issue_rows import RequestFacts, Signed
from ca.issue_signing import sign_all
from ca.models import (
    Certificate,
    CertificateRequest,
    RequestState,
)
from ca.ocsp import SignedAnswer
from db import audit, bulk
from db.errors import DbError

CHUNK: Final = 128
"""Certificates that share two commits: enough that a commit costs each little, and few enough that
a crash leaves a list a person can read."""
AT_ONCE: Final = 2
"""Chunks at work at once in a process that issues a list: while the database works for one, the
process works for the other."""

_REFUSALS: Final = (CaError, DbError, SQLAlchemyError)


@dataclass(slots=True)
class Outcome:
    """What became of one request; exactly one of certificate and error is there."""

    request_id: uuid.UUID
    error: Exception | None = None
    certificate_columns: dict[str, object] | None = None
    request_columns: dict[str, object] | None = None

    @property
    def certificate(self) -> Certificate:
        """The certificate, outside any session; raises the error where there is none."""
        return Certificate(**self._columns(self.certificate_columns))

    @property
    def request(self) -> CertificateRequest:
        """The request as it is now, outside any session."""
        return CertificateRequest(**self._columns(self.request_columns))

    def _columns(self, columns: dict[str, object] | None) -> dict[str, object]:
        if self.error is not None:
            raise self.error
        return columns or {}


def issue_batch(
    sessions: sessionmaker[Session],
    asked: Sequence[Asked],
    *,
    context: Context,
    parallel: int = 1,
) -> list[Outcome]:
    """Issue the certificates of all these requests; the outcomes come in the same order.

    `parallel` chunks are at work at once: while one waits for the token or the disk, another
    builds. A request named twice is issued once; the second outcome says so.
    """
    chunks = [list(asked[start : start + CHUNK]) for start in range(0, len(asked), CHUNK)]
    work = partial(issue_together, sessions, context=context)
    if parallel < 2 or len(chunks) < 2:  # noqa: PLR2004 -- nothing to do side by side
        return [outcome for chunk in chunks for outcome in work(chunk)]
    with ThreadPoolExecutor(parallel, thread_name_prefix="issue") as pool:
        return [outcome for done in pool.map(work, chunks) for outcome in done]


def issue_together(
    sessions: sessionmaker[Session], asked: Sequence[Asked], *, context: Context
) -> list[Outcome]:
    """Issue one chunk with two commits. An error of the chunk is met again one by one."""
    outcomes = [Outcome(item.request_id) for item in asked]
    try:
        intents = _record(sessions, asked, outcomes, context)
    except _REFUSALS as error:
        if len(asked) == 1 or isinstance(error, (AuthorityUnavailable, AuthorityNotFound)):
            return [Outcome(item.request_id, error) for item in asked]
        return [one for item in asked for one in issue_together(sessions, [item], context=context)]
    if intents:
        try:
            _complete(sessions, intents, context)
        except _REFUSALS as error:
            for intent in intents:  # they stay open: some of them may be signed
                intent.outcome.error = error
    return outcomes


@dataclass(slots=True)
class _Running:
    """An intent on its way, and where its outcome goes."""

    intent: Intent
    outcome: Outcome


def _record(
    sessions: sessionmaker[Session],
    asked: Sequence[Asked],
    outcomes: Sequence[Outcome],
    context: Context,
) -> list[_Running]:
    with sessions.begin() as session:
        requests = issue_rows.lock_requests(session, [item.request_id for item in asked])
        maker = issue_intents.IntentMaker(session, context)
        running: list[_Running] = []
        taken: set[uuid.UUID] = set()
        for item, outcome in zip(asked, outcomes, strict=True):
            try:
                request = requests.get(item.request_id)
                if request is None:
                    raise RequestNotFound(f"no certificate request {item.request_id}")
                if item.request_id in taken:
                    raise TransitionNotAllowed(
                        RequestState.KEY_GENERATED.value, RequestState.KEY_GENERATED.value
                    )
                taken.add(item.request_id)
                outcome.error = _refusal(session, item, request)
                if outcome.error is None:
                    running.append(_Running(maker.make(item, request), outcome))
            except CaError as error:
                outcome.error = error
        running = _claimed(session, running, context.at)
        _store_intents(session, running)
    return running


def _refusal(session: Session, item: Asked, request: RequestFacts) -> Exception | None:
    """Ask whether the actor may decide; whoever says no says it in errors of their own."""
    if item.permit is None:
        return None
    try:
        item.permit(session, request.organization.id)
    except (DbError, SQLAlchemyError):
        raise  # nobody refused: the transaction is lost
    except Exception as error:  # noqa: BLE001 -- it is told to the one it is about
        return error
    return None


def _claimed(session: Session, running: list[_Running], at: datetime) -> list[_Running]:
    """Keep the intents whose keys are their subscribers' own."""
    if not running:
        return []
    claims = [(each.intent.spki_sha256, each.intent.request.subscriber.id) for each in running]
    verdicts = issue_rows.claim_keys(session, claims, at=at)
    kept: list[_Running] = []
    for each, (spki, subscriber_id) in zip(running, claims, strict=True):
        try:
            issue_rows.check_claim(verdicts[spki], subscriber_id)
        except CaError as error:
            each.outcome.error = error
        else:
            kept.append(each)
    return kept


def _store_intents(session: Session, running: list[_Running]) -> None:
    intents = [each.intent for each in running]
    bulk.insert(session, Certificate, [intent.certificate_columns for intent in intents])
    issue_rows.store_generated(session, [intent.request_columns for intent in intents])
    entries = map(issue_intents.entries_of_intent, intents)
    audit.record_written(session, chain.from_iterable(entries))


def _complete(sessions: sessionmaker[Session], running: list[_Running], context: Context) -> None:
    with sessions.begin() as session:
        stored = issue_rows.lock_intents(session, [each.intent.id for each in running])
        linted: list[_Running] = []
        refused: list[_Running] = []
        for each in running:
            try:
                _lint(each.intent, stored)
                linted.append(each)
            except LintFailed as error:
                each.outcome.error = error
                refused.append(each)
            except CaError as error:
                each.outcome.error = error
        _store(session, _signed(linted), context)
        for each in refused:
            issue_intents.give_up(session, each.intent, each.outcome.error, at=context.at)


def _lint(intent: Intent, stored: dict[uuid.UUID, bytes | None]) -> None:
    if intent.id not in stored:
        raise IntentNotOpen("the intent was completed or abandoned meanwhile")
    if stored[intent.id] != intent.to_be_signed:
        raise SignedBytesDiffer("the stored intent is not the one that was made")
    lint.check(intent.to_be_signed, facts=intent.facts, algorithm=intent.signer.algorithm)


def _signed(linted: list[_Running]) -> list[tuple[_Running, bytes]]:
    """Sign what was linted; the failure of one is its own outcome."""
    if not linted:
        return []
    octets = [each.intent.to_be_signed for each in linted]
    made = sign_all(octets, linted[0].intent.signer)
    signed: list[tuple[_Running, bytes]] = []
    for each, encoded in zip(linted, made, strict=True):
        if isinstance(encoded, CaError):
            each.outcome.error = encoded
        else:
            signed.append((each, encoded))
    return signed


def _store(session: Session, signed: list[tuple[_Running, bytes]], context: Context) -> None:
    if not signed:
        return
    at = context.at
    answers = _presigned(session, [each.intent for each, _ in signed], context)
    rows = [
        Signed(each.intent.id, encoded, each.intent.actor, answer.der)
        for (each, encoded), answer in zip(signed, answers, strict=True)
    ]
    ocsp_times = answers[0].this_update, answers[0].next_update
    columns = issue_rows.store_signed(session, rows, at=at, ocsp_times=ocsp_times)
    entries: list[str] = []
    for (each, _), active in zip(signed, columns, strict=True):
        intent = each.intent
        intent.certificate_columns.update(active)
        intent.request_columns["state"] = RequestState.ISSUED
        each.outcome.certificate_columns = intent.certificate_columns
        each.outcome.request_columns = intent.request_columns
        entries += issue_intents.entries_of_issue(intent)
    audit.record_written(session, entries)


def _presigned(session: Session, intents: Sequence[Intent], context: Context) -> list[SignedAnswer]:
    """Sign the OCSP answers; those of one moment have the same times."""
    service = ocsp.service_of(context.keys)
    issuer = service.issuers.with_id(session, intents[0].authority_id, context.at)
    serials = [intent.facts.serial_number for intent in intents]
    return service.signed_each(issuer, serials, ocsp_messages.GOOD, at=context.at)
