"""Callers who come together are asked about together, and never by an answer from before."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from api import tokens
from api.callers import Callers
from api.errors import Unauthenticated
from api.permissions import Actor, Binding, Role
from api.tokens import NewToken
from tests.api.office import Office

EVERYWHERE = (Binding(Role.VERIFIER, None),)


def made(office: Office, name: str, **more: object) -> tuple[str, uuid.UUID]:
    new = NewToken(name=name, bindings=EVERYWHERE, **more)  # type: ignore[arg-type]  # expires_at
    with office.wiring.sessions.begin() as session:
        token, secret = tokens.create(session, new, at=office.wiring.clock(), actor="thử")
        return secret.reveal_text(), token.id


def test_each_of_many_callers_at_once_is_told_who_they_are(office: Office) -> None:
    known = [made(office, f"máy {number}")[0] for number in range(3)]
    asked = [*known * 4, "antin_unknown", known[0]]

    async def ask() -> list[Actor | BaseException]:
        callers = Callers(office.wiring.url)
        at = office.wiring.clock()
        try:
            found = (callers.find(token, at=at) for token in asked)
            return await asyncio.gather(*found, return_exceptions=True)
        finally:
            callers.close()

    told = asyncio.run(ask())
    names = [one.name if isinstance(one, Actor) else type(one) for one in told]
    assert names == [*["máy 0", "máy 1", "máy 2"] * 4, Unauthenticated, "máy 0"]


def test_a_token_revoked_while_a_question_is_under_way_opens_nothing(office: Office) -> None:
    at = office.wiring.clock()
    first, second = made(office, "một"), made(office, "hai")

    async def ask() -> None:
        callers = Callers(office.wiring.url)
        try:
            under_way = asyncio.create_task(callers.find(first[0], at=at))
            await asyncio.sleep(0)
            with office.wiring.sessions.begin() as session:
                tokens.revoke(session, second[1], at=at, actor="thử")
            with pytest.raises(Unauthenticated):
                await callers.find(second[0], at=at)
            assert (await under_way).name == "một"
        finally:
            callers.close()

    asyncio.run(ask())


def test_a_token_ends_at_the_moment_it_was_made_for(office: Office) -> None:
    at = office.wiring.clock()
    end = at + timedelta(minutes=1)
    token, _ = made(office, "tạm", expires_at=end)

    async def ask() -> None:
        callers = Callers(office.wiring.url)
        try:
            assert (await callers.find(token, at=end - timedelta(microseconds=1))).name == "tạm"
            with pytest.raises(Unauthenticated):
                await callers.find(token, at=end)
        finally:
            callers.close()

    asyncio.run(ask())
