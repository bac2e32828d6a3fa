"""An office that signs: the registry's house, a desk, and our own time-stamps."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from ca.authority_signers import certificate_chain, signer, time_stamping
from ca.models import Certificate
from ca.tsa import TimeStampAuthority
from hsm.algorithms import KeyAlgorithm
from hsm.providers import KeyStore
from signing.desk import Desk
from signing.documents import DocumentStore
from tests.ca.house import AT, House, Key, csr_for

NOW = AT + timedelta(hours=2)
CALLER = "token:qlvb"


@dataclass(frozen=True)
class TimestampsAt:
    """Our time-stamp authority with its clock held at one time."""

    authority: TimeStampAuthority
    time: datetime

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        return self.authority.token(digest, hash_algorithm, at=self.time)


@dataclass(frozen=True)
class Office:
    """What the tests of this room work with."""

    house: House
    desk: Desk

    def server_certificate(self, algorithm: KeyAlgorithm = KeyAlgorithm.RSA_2048) -> Certificate:
        """Issue a certificate whose key this server made."""
        return self.house.issue(self.house.approved(self.house.person(), key_algorithm=algorithm))

    def holder_certificate(self, key: Key) -> Certificate:
        """Issue a certificate for a key that the server never sees."""
        return self.house.issue(self.house.approved(self.house.person(), csr=csr_for(key)))


@pytest.fixture
def office(sessions: sessionmaker[Session], tmp_path: Path) -> Iterator[Office]:
    with KeyStore() as keys:
        house = House(sessions, keys, tmp_path)
        house.establish()
        with sessions() as session:
            authority = time_stamping(session)
            tsa = TimeStampAuthority(
                signer(authority, keys=keys), others=certificate_chain(session, authority)
            )
        desk = Desk(
            sessions=sessions,
            keys=keys,
            documents=DocumentStore(tmp_path / "documents"),
            timestamps=TimestampsAt(tsa, NOW),
        )
        yield Office(house, desk)
