"""Single requests issued together: whoever comes while others are at work joins the next group.

A certificate that is issued alone costs two commits and two dozen statements. Under load the
callers of one process share them: the first leads, takes all who wait, and issues for all
(`ca.issue_batch`); an idle service issues at once, in a group of one. A caller waits in its own
thread (`issue`), or in an event loop (`issued`): then one thread of ours leads.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from sqlalchemy.orm import Session, sessionmaker

from ca.issue_batch import CHUNK, Outcome, issue_together
from ca.issue_intents import Asked, Context

LEADERS: Final = 1
"""Groups at work at once in a process: one core builds no faster in two groups, only in smaller."""

GATHERING_S: Final = 0.01
"""After a group of several the next leader waits so long at most for all who were told or came
meanwhile: they come again, and a group costs as much as ten certificates. Who comes alone waits for
nobody."""

T = TypeVar("T")


@dataclass(slots=True)
class _Waiting:
    asked: Asked
    context: Context
    told: Callable[[Outcome], None] | None = None
    """What is called with the outcome; None where a thread waits for `called`."""
    leads: bool = False
    outcome: Outcome | None = None
    called: threading.Event = field(default_factory=threading.Event)

    def tell(self) -> None:
        """Give the outcome to whoever waits."""
        if self.told is None:
            self.called.set()
            return
        with contextlib.suppress(RuntimeError):  # its event loop has ended, and nobody waits
            self.told(self.found())

    def found(self) -> Outcome:
        missing = RuntimeError("the group came to nothing")
        return self.outcome or Outcome(self.asked.request_id, missing)


class IssueGroups:
    """Keep one for the life of a process; threads call `issue`, event loops `issued`."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._waiting: list[_Waiting] = []
        self._leading = 0
        self._expected = 0
        self._thread = ThreadPoolExecutor(LEADERS, thread_name_prefix="issue")

    def close(self) -> None:
        """End the thread, after the group that is at work."""
        self._thread.shutdown()

    def issue(self, asked: Asked, *, context: Context) -> Outcome:
        """Issue one certificate, alone or with those who came at the same time."""
        own = _Waiting(asked, context)
        self._join(own)
        if not own.leads:
            own.called.wait()
        if own.leads:
            self._lead(own)
        return own.found()

    async def issued(self, asked: Asked, *, context: Context, show: Callable[[Outcome], T]) -> T:
        """Do as `issue` does; `show` makes the answer, in the thread that issued."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[T] = loop.create_future()

        def told(outcome: Outcome) -> None:
            try:
                settle = partial(waiting.set_result, show(outcome))
            except Exception as error:  # noqa: BLE001 -- whoever waits raises it
                settle = partial(waiting.set_exception, error)
            loop.call_soon_threadsafe(_settle, waiting, settle)

        own = _Waiting(asked, context, told)
        self._join(own)
        if own.leads:
            self._hand_on(own)
        return await waiting

    def _join(self, own: _Waiting) -> None:
        with self._lock:
            self._waiting.append(own)
            self._came.notify_all()
            if self._leading < LEADERS:
                self._leading += 1
                own.leads = True

    def _all_came(self) -> bool:
        return len(self._waiting) >= self._expected

    def _lead(self, own: _Waiting) -> None:
        """Issue for a group that the leader is in, then let another one lead."""
        with self._lock:
            if self._expected > 1:
                self._came.wait_for(self._all_came, timeout=GATHERING_S)
            others = [one for one in self._waiting if not one.leads][: CHUNK - 1]
            group = [own, *others]
            taken = set(map(id, group))
            self._waiting = [one for one in self._waiting if id(one) not in taken]
        try:
            self._issue(group)
        finally:
            with self._lock:
                several = len(group) + len(self._waiting)
                self._expected = min(several, CHUNK)
                following = next((one for one in self._waiting if not one.leads), None)
                if following is None:
                    self._leading -= 1
                else:
                    following.leads = True
            if following is not None:
                self._hand_on(following)
            for each in group:
                each.tell()

    def _hand_on(self, following: _Waiting) -> None:
        """Have somebody lead; after `close` nobody does, and all who wait are told."""
        if following.told is None:
            following.called.set()
            return
        try:
            self._thread.submit(self._lead, following)
        except RuntimeError:
            with self._lock:
                left, self._waiting = self._waiting, []
                self._leading -= 1
            for each in left:
                each.tell()

    def _issue(self, group: list[_Waiting]) -> None:
        # Later than the others' by a moment at most; the history of each runs forward all the same.
        newest = max((each.context for each in group), key=lambda context: context.at)
        try:
            outcomes = issue_together(
                self._sessions, [each.asked for each in group], context=newest
            )
        except Exception as error:  # noqa: BLE001 -- everybody in the group is told, and raises it
            outcomes = [Outcome(each.asked.request_id, error) for each in group]
        for each, outcome in zip(group, outcomes, strict=True):
            each.outcome = outcome


def _settle(waiting: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not waiting.done():  # whoever waited may have gone
        settle()
