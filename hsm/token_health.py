"""How an opened token is doing: what monitoring shows of it. No login is made to find out."""

from dataclasses import dataclass
from pathlib import Path

from hsm.errors import HsmError
from hsm.login import serial_text
from hsm.policy import LoginPolicy
from hsm.sessions import TokenSessions
from hsm.token_list import PinState, pin_state


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenHealth:
    """One token; counts are since this process first used it."""

    module: Path
    serial: str
    label: str
    present: bool
    logged_in: bool
    pin_state: PinState | None
    """How near the PIN is to being locked, by the token's flags; None while the token is away."""
    sessions: int
    operations: int
    failures: int
    wrong_signatures: int
    reopened: int
    failovers: int
    """Signatures it made in the place of a preferred token that could not."""
    seconds_per_operation: float
    last_error: str | None
    policy: LoginPolicy
    logins: int
    pins_refused: int


def health_of(sessions: TokenSessions) -> TokenHealth:
    """Look at a token and at what is counted about it."""
    figures, login = sessions.figures, sessions.login
    try:
        there = [one for one in sessions.module.tokens() if serial_text(one) == login.serial]
    except HsmError:
        there = []
    return TokenHealth(
        module=sessions.module.path,
        serial=login.serial,
        label=login.label,
        present=bool(there),
        logged_in=login.is_open,
        pin_state=pin_state(there[0]) if there else None,
        sessions=sessions.open_sessions,
        operations=figures.operations,
        failures=figures.failures,
        wrong_signatures=figures.wrong_signatures,
        reopened=figures.reopened,
        failovers=figures.failovers,
        seconds_per_operation=figures.seconds,
        last_error=figures.last_error,
        policy=login.policy,
        logins=login.logins,
        pins_refused=login.refusals,
    )
