"""Why a signature that was asked of a person or a service did not come: one list for all of them.

    HsmError
    ├── ProviderSettingsInvalid  the settings of a provider cannot be used
    └── SignatureRefused         the provider failed in a way that names no simple cause
        ├── ProviderUnreachable  it could not be reached; asking again later may help
        ├── UserCancelled        the person said no
        ├── UserTimeout          the person did not answer in time
        ├── PhoneUnreachable     the question did not get to the phone
        ├── UnknownUser          the provider does not know this number or credential
        ├── PinBlocked           too many wrong PINs
        ├── SimBlocked           the SIM itself is blocked
        ├── NoKey                there is no key for signing any more
        ├── CertificateRefused   the provider's certificate is not valid, or not ours
        ├── RequestRefused       the provider does not understand or allow what was asked
        └── Unauthorised         the provider does not accept this service's own credentials

Every protocol's codes end in one of these; what a provider wrote stays in the message.
"""

from enum import StrEnum
from typing import ClassVar, Final

from hsm.errors import HsmError


class Refusal(StrEnum):
    """The reasons, as they are stored and shown."""

    USER_CANCELLED = "user_cancelled"
    USER_TIMEOUT = "user_timeout"
    PHONE_UNREACHABLE = "phone_unreachable"
    UNKNOWN_USER = "unknown_user"
    PIN_BLOCKED = "pin_blocked"
    SIM_BLOCKED = "sim_blocked"
    NO_KEY = "no_key"
    CERT_INVALID = "cert_invalid"
    BAD_REQUEST = "bad_request"
    UNAUTHORISED = "unauthorised"
    PROVIDER_ERROR = "provider_error"


class ProviderSettingsInvalid(HsmError):
    """What is set about a provider cannot be used, or a key names a provider that is not set."""

    code = "provider_settings_invalid"

    def diagnostics(self) -> str:
        """Say where to look."""
        return "Correct the provider's section in providers.toml below ANTIN_HOME and restart."


class SignatureRefused(HsmError):
    """The provider gave no signature; `refusal` says why."""

    code = "provider_error"
    refusal: ClassVar[Refusal] = Refusal.PROVIDER_ERROR
    advice: ClassVar[str] = "Try again later; if it goes on, ask the provider."

    def diagnostics(self) -> str:
        """Say what a person can do about it."""
        return self.advice


class ProviderUnreachable(SignatureRefused):
    """The provider did not answer. `delivered` says whether the question may have reached it."""

    code = "provider_unreachable"
    advice = "Check the network and the provider's address; open requests are asked for again."

    def __init__(self, message: str, *, delivered: bool) -> None:
        super().__init__(message)
        self.delivered = delivered


class UserCancelled(SignatureRefused):
    """The person refused on the phone or in the provider's app."""

    code = "user_cancelled"
    refusal = Refusal.USER_CANCELLED
    advice = "Ask the signer why; start a new sign request when both sides agree."


class UserTimeout(SignatureRefused):
    """The person did not answer in time."""

    code = "user_timeout"
    refusal = Refusal.USER_TIMEOUT
    advice = "Tell the signer to have the phone at hand, then start a new sign request."


class PhoneUnreachable(SignatureRefused):
    """The question could not be brought to the phone."""

    code = "phone_unreachable"
    refusal = Refusal.PHONE_UNREACHABLE
    advice = "Check that the phone is on and has reception, then start a new sign request."


class UnknownUser(SignatureRefused):
    """The provider does not know this phone number or credential."""

    code = "unknown_user"
    refusal = Refusal.UNKNOWN_USER
    advice = "Check the number in the certificate's key address, and the contract for it."


class PinBlocked(SignatureRefused):
    """The signing PIN is blocked after too many wrong ones."""

    code = "pin_blocked"
    refusal = Refusal.PIN_BLOCKED
    advice = "Have the PIN unblocked by the operator or with the PUK."


class SimBlocked(SignatureRefused):
    """The SIM is blocked."""

    code = "sim_blocked"
    refusal = Refusal.SIM_BLOCKED
    advice = "Ask the operator about the SIM; the certificate may have to be revoked."


class NoKey(SignatureRefused):
    """The SIM or credential holds no signing key."""

    code = "no_key"
    refusal = Refusal.NO_KEY
    advice = "If the SIM was replaced, revoke the certificate and enrol the new SIM."


class CertificateRefused(SignatureRefused):
    """The certificate at the provider is expired, revoked, missing, or not the registry's."""

    code = "cert_invalid"
    refusal = Refusal.CERT_INVALID
    advice = "Compare the registry's certificate with the provider's; was the SIM replaced?"


class RequestRefused(SignatureRefused):
    """The provider does not accept the request as it was put."""

    code = "bad_request"
    refusal = Refusal.BAD_REQUEST
    advice = "Check the provider's profile in providers.toml against its documentation."


class Unauthorised(SignatureRefused):
    """The provider does not accept the credentials of this service, or the PIN it was given."""

    code = "unauthorised"
    refusal = Refusal.UNAUTHORISED
    advice = "Check the credentials that providers.toml refers to."


_CLASSES: Final[dict[Refusal, type[SignatureRefused]]] = {
    kind.refusal: kind
    for kind in (
        SignatureRefused,
        UserCancelled,
        UserTimeout,
        PhoneUnreachable,
        UnknownUser,
        PinBlocked,
        SimBlocked,
        NoKey,
        CertificateRefused,
        RequestRefused,
        Unauthorised,
    )
}


def refused(reason: Refusal, message: str) -> SignatureRefused:
    """Make the error for a reason."""
    return _CLASSES[reason](message)
