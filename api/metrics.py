"""What `/metrics` says, as Prometheus reads it (text format 0.0.4).

Requests and their times are counted by the processes (`api.counters`); everything else is asked at
the scrape: the database for signatures, reports, the queue and the age of what is published, the
key store of the process for its tokens. No name of a person and no address of a caller is in it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.counters import BOUNDS
from db.base import UtcDateTime
from db.errors import DbError
from db.jobs import queue_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from api.counters import Door
    from api.wiring import Wiring
    from hsm.token_health import TokenHealth

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Labels = "Mapping[str, str]"

# Estimates of the planner for what only grows: a scrape every few seconds reads no whole table.
_TOTALS: Final = text(
    "SELECT relname, greatest(0, n_live_tup) AS entries FROM pg_stat_user_tables"
    " WHERE relname IN ('signatures', 'verifications', 'audit_log')"
)
_OPEN: Final = text(
    "SELECT status, count(*) FROM sign_requests WHERE status IN ('prepared', 'waiting')"
    " GROUP BY status"
)
_CRL: Final = text(
    "SELECT a.slug, max(l.this_update) AS this_update, max(l.next_update) AS next_update"
    " FROM certificate_revocation_lists l JOIN authorities a ON a.id = l.authority_id"
    " WHERE l.shard IS NULL AND l.base_number IS NULL GROUP BY a.slug ORDER BY a.slug"
).columns(this_update=UtcDateTime(), next_update=UtcDateTime())
_OCSP: Final = text("SELECT min(next_update) AS next_update FROM ocsp_answers").columns(
    next_update=UtcDateTime()
)


_TOKEN_FIGURES: Final = (
    ("antin_token_present", "gauge", "Whether an opened token is there.", "present"),
    ("antin_token_logged_in", "gauge", "Whether a token is logged in.", "logged_in"),
    ("antin_token_sessions", "gauge", "Sessions open with a token.", "sessions"),
    ("antin_token_operations_total", "counter", "Operations of the process.", "operations"),
    (
        "antin_token_operation_seconds",
        "gauge",
        "What an undisturbed operation takes.",
        "seconds_per_operation",
    ),
    ("antin_token_failures_total", "counter", "Operations that failed.", "failures"),
    (
        "antin_token_wrong_signatures_total",
        "counter",
        "Signatures that were not of their key; none was used.",
        "wrong_signatures",
    ),
    ("antin_token_reopened_total", "counter", "Times all sessions were renewed.", "reopened"),
    (
        "antin_token_failovers_total",
        "counter",
        "Signatures in the place of a preferred token.",
        "failovers",
    ),
    ("antin_token_logins_total", "counter", "Logins.", "logins"),
    ("antin_token_pins_refused_total", "counter", "PINs that the token refused.", "pins_refused"),
)


class Page:
    """Lines in the making."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def family(
        self, name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]
    ) -> None:
        """Add a metric with all its samples."""
        self.head(name, kind, about)
        for labels, value in samples:
            self.sample(name, labels, value)

    def head(self, name: str, kind: str, about: str) -> None:
        """Begin a metric."""
        self._lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]

    def sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Add one line."""
        inner = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
        shown = f"{name}{{{inner}}}" if inner else name
        number = int(value) if float(value).is_integer() else value
        self._lines.append(f"{shown} {number}")

    def render(self) -> str:
        """Give the finished text."""
        return "\n".join(self._lines) + "\n"


def render(wiring: Wiring) -> str:
    """Write the whole page; a database that does not answer is itself a figure on it."""
    page, at = Page(), wiring.clock()
    _requests(page, wiring.counters.sums())
    _tokens(page, wiring.keys.health())
    answers = 1
    try:
        with wiring.sessions() as session:
            _stored(page, session, at)
    except (SQLAlchemyError, DbError):
        answers = 0
    page.family("antin_database_up", "gauge", "Whether the database answers.", [({}, answers)])
    return page.render()


def _requests(page: Page, doors: list[Door]) -> None:
    page.family(
        "antin_http_requests_total",
        "counter",
        "Requests answered, by door and class of status.",
        (
            ({"door": door.name, "status": status}, count)
            for door in doors
            for status, count in door.by_status.items()
            if count
        ),
    )
    name = "antin_http_request_seconds"
    page.head(name, "histogram", "Seconds from the head of a request to the end of its answer.")
    for door in doors:
        count = 0
        for bound, inside in zip((*map(str, BOUNDS), "+Inf"), door.by_bucket, strict=True):
            count += inside
            page.sample(f"{name}_bucket", {"door": door.name, "le": bound}, count)
        page.sample(f"{name}_sum", {"door": door.name}, round(door.seconds, 6))
        page.sample(f"{name}_count", {"door": door.name}, count)


def _tokens(page: Page, tokens: list[TokenHealth]) -> None:
    """Tell how tokens are; each process has its own sessions, so a sample says whose it is."""
    process = str(os.getpid())

    def each(value: str) -> Iterator[tuple[dict[str, str], float]]:
        for token in tokens:
            labels = {"serial": token.serial, "label": token.label, "process": process}
            yield labels, float(getattr(token, value))

    for name, kind, about, value in _TOKEN_FIGURES:
        page.family(name, kind, about, each(value))
    page.family(
        "antin_token_pin_state",
        "gauge",
        "How a token's PIN stands: 1 at good, low, final (one try left), locked and others.",
        (
            ({"serial": token.serial, "label": token.label, "state": token.pin_state}, 1)
            for token in tokens
            if token.pin_state is not None
        ),
    )


def _stored(page: Page, session: Session, at: datetime) -> None:
    totals = {row.relname: row.entries for row in session.execute(_TOTALS)}
    for table, what in (
        ("signatures", "Signatures that left this service, about."),
        ("verifications", "Reports that are kept, about."),
        ("audit_log", "Entries of the audit log, about."),
    ):
        page.family(f"antin_{table}", "gauge", what, [({}, totals.get(table, 0))])
    page.family(
        "antin_sign_requests_open",
        "gauge",
        "Sign requests that wait for a key.",
        (({"status": status}, count) for status, count in session.execute(_OPEN)),
    )
    _queue(page, session, at)
    _published(page, session, at)


def _queue(page: Page, session: Session, at: datetime) -> None:
    queue = queue_state(session)
    page.family(
        "antin_jobs",
        "gauge",
        "Jobs in the queue by state.",
        [
            ({"state": "waiting"}, queue.waiting),
            ({"state": "running"}, queue.running),
            ({"state": "failed"}, queue.failed),
        ],
    )
    due = 0.0 if queue.oldest_due is None else max(0.0, (at - queue.oldest_due).total_seconds())
    page.family("antin_jobs_oldest_due_seconds", "gauge", "How late the queue is.", [({}, due)])


def _published(page: Page, session: Session, at: datetime) -> None:
    lists = session.execute(_CRL).all()
    page.family(
        "antin_crl_age_seconds",
        "gauge",
        "Since the newest complete CRL was signed.",
        (({"authority": row.slug}, (at - row.this_update).total_seconds()) for row in lists),
    )
    page.family(
        "antin_crl_expires_seconds",
        "gauge",
        "Until the newest complete CRL ends; negative when it has.",
        (({"authority": row.slug}, (row.next_update - at).total_seconds()) for row in lists),
    )
    ending = session.scalar(_OCSP)
    if ending is not None:
        page.family(
            "antin_ocsp_expires_seconds",
            "gauge",
            "Until the oldest stored OCSP answer ends; negative when it has.",
            [({}, (ending - at).total_seconds())],
        )


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
