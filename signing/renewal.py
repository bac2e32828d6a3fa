"""Archive renewal: a new time-stamp before the certificate of the last one ends.

A document time-stamp proves only as long as its own certificate can be validated. Of the documents
whose proof ends soon (`signing.proofs` lists them), those that are stored here are renewed; the
others are reported: they are in the caller's archive, which extends them with its own copy.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from db import audit
from pdf.errors import PdfError, TimestampUnavailable
from pdf.options import Level
from signing import proofs
from signing.desk import Desk
from signing.errors import SigningError, WorkersBusy
from signing.models import SignRequest
from signing.proofs import EndingProof, record_proof
from signing.upgrades import SYSTEM, new_version

RENEW_BEFORE = timedelta(days=180)
"""Renewing earlier only adds time-stamps; later, an outage of months could lose a proof."""


@dataclass(frozen=True, kw_only=True)
class RenewalReport:
    """What a run found and did; `elsewhere` are documents that are not stored here."""

    renewed: tuple[uuid.UUID, ...] = ()
    elsewhere: tuple[EndingProof, ...] = ()
    failed: tuple[tuple[uuid.UUID, str], ...] = ()


def renew(desk: Desk, *, at: datetime, within: timedelta = RENEW_BEFORE) -> RenewalReport:
    """Renew the stored documents whose proof ends within a time, and report the others.

    Documents below level B-LTA are raised to it. Each is a transaction of its own; when no
    time-stamp can be had, or no worker, the run stops, and what is left is found by the next one.
    """
    with desk.sessions() as session:
        due = proofs.ending(session, at=at, within=within)
    renewed: list[uuid.UUID] = []
    elsewhere: list[EndingProof] = []
    failed: list[tuple[uuid.UUID, str]] = []
    for each in due:
        if not desk.documents.holds(each.sign_request_id):
            elsewhere.append(each)
            continue
        try:
            _renew_one(desk, each, at=at)
        except (TimestampUnavailable, WorkersBusy) as error:
            failed.append((each.sign_request_id, error.code))
            break
        except (PdfError, SigningError) as error:
            failed.append((each.sign_request_id, error.code))
        else:
            renewed.append(each.sign_request_id)
    return RenewalReport(renewed=tuple(renewed), elsewhere=tuple(elsewhere), failed=tuple(failed))


def _renew_one(desk: Desk, ending: EndingProof, *, at: datetime) -> None:
    with desk.sessions.begin() as session:
        request = session.get_one(SignRequest, ending.sign_request_id, with_for_update=True)
        version = new_version(desk, request, level=Level.B_LTA, at=at)
        request.reached_level = version.level
        record_proof(session, ending.sign_request_id, version, at=at)
        audit.record(
            session,
            at=at,
            actor=SYSTEM,
            action="sign.proof_renewed",
            object_type="sign_request",
            object_id=str(ending.sign_request_id),
            before={"proven_until": ending.proven_until.isoformat(), "sha256": ending.sha256},
            after={"proven_until": version.proven_until.isoformat(), "sha256": version.sha256},
        )
