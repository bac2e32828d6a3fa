"""Single requests issued together: whoever comes while others are at work joins the next group.

A certificate that is issued alone costs two commits and two dozen statements. Under load the
callers of one process share them: the first leads, takes all who wait, and issues for all
(`ca.issue_batch`); an idle service issues at once, in a group of one. No thread runs in between.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session, sessionmaker

from ca.issue_batch import CHUNK, Outcome, issue_together
from ca.issue_intents import Asked, Context

LEADERS: Final = 1
"""Groups at work at once in a process: one core builds no faster in two groups, only in smaller."""


@dataclass(slots=True)
class _Waiting:
    asked: Asked
    context: Context
    leads: bool = False
    outcome: Outcome | None = None
    called: threading.Event = field(default_factory=threading.Event)


class IssueGroups:
    """Keep one for the life of a process; threads call `issue`."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._leading = 0

    def issue(self, asked: Asked, *, context: Context) -> Outcome:
        """Issue one certificate, alone or with those who came at the same time."""
        own = _Waiting(asked, context)
        with self._lock:
            self._waiting.append(own)
            if self._leading < LEADERS:
                self._leading += 1
                own.leads = True
        if not own.leads:
            own.called.wait()
        if own.leads:
            self._lead(own)
        return own.outcome or Outcome(asked.request_id, RuntimeError("the group came to nothing"))

    def _lead(self, own: _Waiting) -> None:
        """Issue for a group that the leader is in, then let another one lead."""
        with self._lock:
            others = [one for one in self._waiting if not one.leads][: CHUNK - 1]
            group = [own, *others]
            taken = set(map(id, group))
            self._waiting = [one for one in self._waiting if id(one) not in taken]
        try:
            self._issue(group)
        finally:
            with self._lock:
                following = next((one for one in self._waiting if not one.leads), None)
                if following is None:
                    self._leading -= 1
                else:
                    following.leads = True
            for each in group:
                each.called.set()
            if following is not None:
                following.called.set()

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
