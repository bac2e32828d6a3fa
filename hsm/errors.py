"""What can go wrong with a key, in one tree.

    HsmError
    ├── KeyUriInvalid          the text does not name a key
    ├── KeyAnswersLater        the key is real but cannot sign at once
    ├── ModuleUnavailable      the PKCS#11 library cannot be used in this process
    ├── TokenNotFound
    │   └── SeveralTokensMatch
    ├── TokenRemoved           it was there, and was pulled out
    ├── KeyNotFound
    │   ├── SeveralKeysMatch
    │   └── KeyCopiesDiffer    URIs of one key lead to different keys
    ├── PinRequired            nobody gave a PIN or passphrase
    ├── PinIncorrect           the token or file refused the PIN (``tries_left``)
    ├── PinLocked              no tries left
    ├── PinUnsuitable          a new PIN is too short, too long or of wrong characters
    ├── MechanismUnavailable   this key or token cannot sign that way
    ├── SignatureMismatch      a signature does not belong to this key and data
    ├── CertificateMismatch    a certificate is not about this key
    ├── KeyFileUnreadable      missing, damaged or unprotected key file
    └── DeviceFailure          the device answered with something else

No message carries a PIN. Errors of the PKCS#11 binding and of ``cryptography`` end here: they stay
reachable as ``__cause__`` for a log, never as a type that callers catch.
"""

from typing import ClassVar, Literal

TriesLeft = Literal["many", "low", "final", "unknown"]


class HsmError(Exception):
    """Something about a key, a token or a key file."""

    code: ClassVar[str] = "hsm_error"

    def diagnostics(self) -> str:
        """Say what a person can do about it."""
        return "See the server's log for the cause, then try again."


class KeyUriInvalid(HsmError):
    """The key URI cannot be read (RFC 7512, or one of our own schemes)."""

    code = "key_uri_invalid"

    def diagnostics(self) -> str:
        """Show the shapes that are understood."""
        return (
            "Write it as pkcs11:serial=…;id=%01?module-path=/…&pin-source=file:/…, "
            "soft:/path/key.p12?pin-source=file:/… or holder:name. "
            "A PIN is never part of a URI: use pin-source."
        )


class KeyAnswersLater(HsmError):
    """The URI names a key whose signature arrives later: holder, remote service or SIM."""

    code = "key_answers_later"

    def diagnostics(self) -> str:
        """Point to the second shape of key."""
        return "Start a deferred signature for this key instead of opening it."


class ModuleUnavailable(HsmError):
    """The PKCS#11 library is missing, is not one, or must not be used in this process."""

    code = "module_unavailable"

    def diagnostics(self) -> str:
        """Say what to check on this machine."""
        return (
            "Check that the module's file exists and is readable, that it is among the configured "
            "modules, and that worker processes are spawned, not forked, after keys were opened."
        )


class TokenNotFound(HsmError):
    """No token that is present matches the URI."""

    code = "token_not_found"

    def diagnostics(self) -> str:
        """Say how to find out what is there."""
        return "Insert the token, or list the tokens and correct the serial number in the URI."


class SeveralTokensMatch(TokenNotFound):
    """More than one present token matches, so none is chosen."""

    code = "several_tokens_match"

    def diagnostics(self) -> str:
        """Ask for the unambiguous name."""
        return "Name the token by its serial number: labels may repeat."


class TokenRemoved(HsmError):
    """The token was pulled out, or its reader went away, during use."""

    code = "token_removed"

    def diagnostics(self) -> str:
        """Say that waiting for the token is enough."""
        return "Insert the token again; the next operation reopens it."


class KeyNotFound(HsmError):
    """The token or file holds no private key that matches the URI."""

    code = "key_not_found"

    def diagnostics(self) -> str:
        """Say how to find out what is there."""
        return "List the objects of the token and correct id or object in the URI."


class SeveralKeysMatch(KeyNotFound):
    """More than one private key matches, so none is chosen."""

    code = "several_keys_match"

    def diagnostics(self) -> str:
        """Ask for the unambiguous name."""
        return "Name the key by its id: labels may repeat."


class KeyCopiesDiffer(KeyNotFound):
    """The URIs that are to name one key on several tokens lead to different keys."""

    code = "key_copies_differ"

    def diagnostics(self) -> str:
        """Say what copies are."""
        return "Name only tokens that hold the same key pair, made as a copy by the HSM's own tool."


class PinRequired(HsmError):
    """The key is protected and no PIN or passphrase was given."""

    code = "pin_required"

    def diagnostics(self) -> str:
        """Say where a PIN can come from."""
        return "Add pin-source=file:/… to the URI, or enter the PIN when asked."


class PinIncorrect(HsmError):
    """The PIN or passphrase was refused. It is not tried again by itself.

    ``tries_left`` is what the token's flags say: ``many``, ``low``, ``final`` (one more wrong PIN
    locks it) or ``unknown``.
    """

    code = "pin_incorrect"

    def __init__(self, message: str, *, tries_left: TriesLeft = "unknown") -> None:
        super().__init__(message)
        self.tries_left: TriesLeft = tries_left

    def diagnostics(self) -> str:
        """Warn before the token locks."""
        if self.tries_left == "final":
            return "Stop: one more wrong PIN locks the token. Make sure of the PIN first."
        if self.tries_left == "low":
            return "Check the PIN before trying again: the token may lock after few tries."
        return "Check the PIN or the file that pin-source names, then try again."


class PinLocked(HsmError):
    """The token is locked: too many wrong PINs."""

    code = "pin_locked"

    def diagnostics(self) -> str:
        """Say who can unlock."""
        return "Unlock the token with its SO PIN or PUK; further tries cannot help."


class PinUnsuitable(HsmError):
    """The token does not take this as a new PIN."""

    code = "pin_unsuitable"

    def diagnostics(self) -> str:
        """Say what tokens usually want."""
        return "Choose a PIN of the length and kind the token wants: often 6 to 8 digits."


class MechanismUnavailable(HsmError):
    """The key or its token cannot make the asked kind of signature or key."""

    code = "mechanism_unavailable"

    def diagnostics(self) -> str:
        """Suggest the way out."""
        return "Choose another signature algorithm for this key, or another token."


class SignatureMismatch(HsmError):
    """A signature does not verify with the public key over the data. It is not released."""

    code = "signature_mismatch"

    def diagnostics(self) -> str:
        """Say that this is serious for a token and ordinary for posted signatures."""
        return (
            "Do not use the signature. If a token made it, take that token out of use and check "
            "its module; if it was sent in, sign the same document again with the right key."
        )


class CertificateMismatch(HsmError):
    """The certificate is about another key than the one it was to be stored beside."""

    code = "certificate_mismatch"

    def diagnostics(self) -> str:
        """Say what to compare."""
        return "Use the certificate that was issued for this key."


class KeyFileUnreadable(HsmError):
    """The key file is missing, damaged, of an unknown kind, or not encrypted."""

    code = "key_file_unreadable"

    def diagnostics(self) -> str:
        """Say what is accepted."""
        return "Use an encrypted PKCS#8 (PEM or DER) or PKCS#12 file that this account can read."


class DeviceFailure(HsmError):
    """The token or its module failed in a way that names no simple cause."""

    code = "device_failure"

    def diagnostics(self) -> str:
        """Say what usually helps."""
        return "Check the device and its driver's log; the next operation opens a new session."
