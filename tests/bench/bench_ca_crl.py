"""What large lists cost: a million entries read, joined and signed; a revocation beside 100,000.

The reference of the lists is a bound on the time, in the same unit; that of the revocation is the
same revocation with nothing revoked before.
"""

import statistics
import time
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import text

from ca import authorities, crl, revoke
from ca.crl_messages import CrlFacts, build
from ca.revocation_reasons import RevocationReason
from tests.bench.bench_ca import _house
from tests.bench.row import Row
from tests.ca.house import AT, CHIEF, House

BOUNDS_MS = {100_000: 50.0, 1_000_000: 600.0}
MORE_MS = 10.0
REVOKED = 40
LATER = AT + timedelta(hours=1)

_FILL = text("""
INSERT INTO certificates (id, authority_id, serial_number, kind, status, profile, subscriber_id,
    organization_id, subject, common_name, search_name, spki_sha256, not_before, not_after, der,
    created_at, issued_at, revoked_at, revocation_reason, crl_entry)
SELECT gen_random_uuid(), c.authority_id,
    '5' || lpad(to_hex(n), 39, '0'), c.kind, 'revoked', c.profile, c.subscriber_id,
    c.organization_id, c.subject, c.common_name, c.search_name, c.spki_sha256, c.not_before,
    c.not_after, '\\x30'::bytea, c.created_at, c.issued_at, c.created_at, 'superseded',
    '\\x3033021450'::bytea || substring(sha256(int8send(n)) for 19)
        || '\\x170d3236303330323031333030305a300c300a0603551d1504030a0104'::bytea
FROM certificates c, generate_series(cast(:first AS bigint), cast(:last AS bigint)) n
WHERE c.id = :like
""")
"""Entries as `crl.entry_der` writes them: a random serial number of 20 octets, and a reason."""


def rows() -> Iterable[Row]:
    """Measure on one database that is filled in two steps."""
    with _house() as house:
        empty = _revocation_ms(house)
        like = house.certificate().id
        filled = 0
        for count, bound in BOUNDS_MS.items():
            with house.sessions.begin() as session:
                session.execute(_FILL, {"first": filled + 1, "last": count, "like": like})
            filled = count
            _settle(house)
            yield Row(
                name=f"ca.crl.assembled.{count // 1000}k",
                value=_assembling_ms(house),
                unit="ms_wall",
                reference_name="the goal",
                reference_value=bound,
                goal=1.0,
            )
            if count == min(BOUNDS_MS):
                yield Row(
                    name="ca.revoke.beside-100k",
                    value=_revocation_ms(house),
                    unit="ms_wall",
                    reference_name="with nothing revoked before, and 10 ms",
                    reference_value=empty + MORE_MS,
                    goal=1.0,
                )


def _assembling_ms(house: House) -> float:
    """Read the entries, join, sign; the best of three, since others share the machine."""
    found = []
    for _ in range(3):
        with house.sessions() as session:
            authority = authorities.issuing(session)
            signer = authorities.signer(authority, keys=house.keys)
            began = time.perf_counter()
            _, entries = crl.read_entries(session, authority, None)
            build(signer, facts=CrlFacts(2, LATER, LATER + timedelta(days=7), AT), entries=entries)
            found.append(1000 * (time.perf_counter() - began))
    return min(found)


def _revocation_ms(house: House) -> float:
    found = []
    for _ in range(REVOKED):
        certificate = house.certificate()
        began = time.perf_counter()
        with house.sessions.begin() as session:
            revoke.revoke(
                session,
                certificate_id=certificate.id,
                reason=RevocationReason.SUPERSEDED,
                keys=house.keys,
                at=LATER,
                actor=CHIEF,
            )
        found.append(1000 * (time.perf_counter() - began))
    return statistics.median(found)


def _settle(house: House) -> None:
    """What the database does by itself after a while."""
    options = {"isolation_level": "AUTOCOMMIT"}
    with house.sessions() as session:
        session.connection(execution_options=options).exec_driver_sql("VACUUM ANALYZE certificates")
