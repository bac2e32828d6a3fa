"""Which tokens are in their slots, told without logging in on any of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pkcs11
from pkcs11.constants import TokenFlag

from hsm.key_uri import KeyURI
from hsm.login import serial_text
from hsm.modules import Module, load
from hsm.policy import LoginPolicy, policy_of

PinState = Literal["good", "low", "final", "locked", "not-set", "to-be-changed"]

_STATES: tuple[tuple[TokenFlag, PinState], ...] = (
    (TokenFlag.USER_PIN_LOCKED, "locked"),
    (TokenFlag.USER_PIN_FINAL_TRY, "final"),
    (TokenFlag.USER_PIN_COUNT_LOW, "low"),
    (TokenFlag.USER_PIN_TO_BE_CHANGED, "to-be-changed"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDescription:
    """One present token, as its flags and its slot describe it (PKCS#11 2.40, 3.3)."""

    module: Path
    slot: str
    label: str
    serial: str
    manufacturer: str
    model: str
    policy: LoginPolicy
    pin_state: PinState
    pin_pad: bool

    @property
    def uri(self) -> KeyURI:
        """The token's URI; a label is left out, since it may repeat or be cut off."""
        return KeyURI.for_token(serial=self.serial, module_path=self.module)


def list_tokens(modules: Iterable[Path]) -> list[TokenDescription]:
    """List the initialised tokens of these modules, in order of module and slot."""
    return [
        _described(module, token)
        for module in map(load, dict.fromkeys(path.resolve() for path in modules))
        for token in module.tokens()
    ]


def _described(module: Module, token: pkcs11.Token) -> TokenDescription:
    flags = TokenFlag(token.flags)
    return TokenDescription(
        module=module.path,
        slot=token.slot.slot_description,
        label=token.label,
        serial=serial_text(token),
        manufacturer=token.manufacturer_id,
        model=token.model,
        policy=policy_of(token),
        pin_state=pin_state(token),
        pin_pad=TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags,
    )


def pin_state(token: pkcs11.Token) -> PinState:
    """Read from a token's flags how its user PIN stands."""
    flags = TokenFlag(token.flags)
    if TokenFlag.USER_PIN_INITIALIZED not in flags and TokenFlag.LOGIN_REQUIRED in flags:
        return "not-set"
    return next((state for flag, state in _STATES if flag in flags), "good")
