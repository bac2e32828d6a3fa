"""How long a login on a token lasts: as long as the process, or as long as one signature.

An HSM stays logged in, because logging in costs more than a signature and nobody can pull it out.
A USB token is opened, used and closed again, so that it is locked while nobody signs: a login is
shared by everything the process does, and the token may leave its socket at any moment.
"""

from enum import StrEnum

import pkcs11
from pkcs11.constants import SlotFlag


class LoginPolicy(StrEnum):
    """When this process is logged in on a token."""

    HELD = "held"
    """From the first use until the key store closes, in a pool of sessions."""
    EACH_TIME = "each-time"
    """For the length of one operation, in a session of its own."""


def policy_of(token: pkcs11.Token) -> LoginPolicy:
    """Choose by the slot: what can be taken out (CKF_REMOVABLE_DEVICE) is opened each time."""
    removable = SlotFlag.REMOVABLE_DEVICE in SlotFlag(token.slot.flags)
    return LoginPolicy.EACH_TIME if removable else LoginPolicy.HELD
