"""Waiting at a terminal for a key that answers later: a phone, or a signing service.

The verification code is shown before anybody waits, so that it can be compared with the phone's.
Ctrl-C takes the question back where the provider can be told, and says so where it cannot. Nothing
is kept for later: a command that was stopped asks anew the next time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from api.commands.output import err
from hsm.errors import HsmError
from hsm.providers import Pending, Prompt
from hsm.refusals import ProviderUnreachable, Refusal, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hsm.algorithms import SignatureAlgorithm
    from hsm.later_keys import RemoteKey

POLL: Final = 1.0
"""Seconds from one look for the answer to the next."""
GRACE: Final = 15.0
"""Seconds past the person's time in which the provider may say that it is over."""
INTERRUPTED: Final = 130
"""Exit code of a command that Ctrl-C ended."""


@dataclass(frozen=True, slots=True)
class KeyElsewhere:
    """A key at a provider, as `antin sign` uses it."""

    remote: RemoteKey
    algorithm: SignatureAlgorithm

    @property
    def together(self) -> int:
        """How many documents one PIN covers."""
        return self.remote.together

    def signatures(self, messages: Sequence[bytes], names: Sequence[str]) -> Sequence[bytes]:
        """Ask, show the code, and wait for the person; raises SignatureRefused with the reason."""
        pending: Sequence[Pending] = ()
        try:
            pending = self.remote.start_together(messages, Prompt(text=shown(names)))
            if not self.remote.answers_now:
                _announce(pending[0].prompt, self.remote.seconds)
            return self._waited_for(pending)
        except KeyboardInterrupt:
            self._take_back(pending)
            raise typer.Exit(INTERRUPTED) from None

    def _waited_for(self, pending: Sequence[Pending]) -> Sequence[bytes]:
        ends = time.monotonic() + self.remote.seconds
        with _Waiting(quiet=self.remote.answers_now) as waiting:
            while True:
                try:
                    found = self.remote.collect_together(pending)
                except ProviderUnreachable:
                    if self.remote.answers_now or time.monotonic() > ends:
                        raise
                    found = None
                if found is not None:
                    return found
                if time.monotonic() > ends + GRACE:
                    raise refused(Refusal.USER_TIMEOUT, "the signer did not answer in time")
                waiting.left(ends - time.monotonic())
                time.sleep(POLL)

    def _take_back(self, pending: Sequence[Pending]) -> None:
        try:
            # every one of them is told, also after one that could not be
            told = bool(pending) and sum(self.remote.cancel(one) for one in pending) == len(pending)
        except HsmError:
            told = False
        if told:
            err.print("antin: đã hủy yêu cầu ký / the question was taken back")
        else:
            err.print("antin: đã dừng / stopped")
            err.print("  Điện thoại còn hỏi thì từ chối / refuse on the phone if it still asks.")


def shown(names: Sequence[str]) -> str:
    """Say what is to be signed, as the phone's holder reads it."""
    return f"Ký số: {names[0]}" if len(names) == 1 else f"Ký số {len(names)} văn bản: {names[0]}, …"


def _announce(prompt: Prompt, seconds: int) -> None:
    err.print(f"Mã xác nhận / verification code: {prompt.code}")
    err.print(
        "Chỉ nhập PIN khi điện thoại hiện đúng mã này"
        " / enter the PIN only if the phone shows this code."
    )
    err.print(
        f"Chờ người ký tối đa {seconds} giây, Ctrl-C để hủy"
        f" / waiting for the signer, {seconds} s at most; Ctrl-C cancels."
    )


class _Waiting:
    """A line that shows how much time is left, where a person looks on."""

    def __init__(self, *, quiet: bool) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        disable = quiet or not err.is_terminal
        self._progress = Progress(*columns, console=err, transient=True, disable=disable)
        self._task = self._progress.add_task("")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def left(self, seconds: float) -> None:
        """Show it."""
        left = max(0, round(seconds))
        self._progress.update(self._task, description=f"còn {left} giây / {left} s left")
