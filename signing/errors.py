"""Errors of the signing room.

SigningError
├── SignRequestNotFound
├── SignRequestClosed        the request was cancelled, has failed or has expired
├── SignRequestNotSigned     its document is asked for too early
├── SignatureConflict        another signature was already accepted for the request
├── SignatureUnacceptable    the posted signature does not belong to the certificate and document
├── KeyNotHere               the key answers later, and cannot be used at once
├── LevelNotOffered          the asked PAdES level cannot be made here
└── DocumentGone             the stored document is past its retention, or its storage was lost
"""

from typing import ClassVar


class SigningError(Exception):
    """Root of this room's errors."""

    code: ClassVar[str] = "signing_failed"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Try again; if it fails again, give the administrator the request id."


class SignRequestNotFound(SigningError):
    """No sign request has this id, or it is somebody else's."""

    code = "sign_request_not_found"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Check the id that the sign call returned."


class SignRequestClosed(SigningError):
    """The sign request was cancelled, has failed or has expired."""

    code = "sign_request_closed"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Start a new sign request with the document."


class SignRequestNotSigned(SigningError):
    """The document of this request is not signed yet."""

    code = "sign_request_not_signed"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Post the signature first, then fetch the document."


class SignatureConflict(SigningError):
    """Another signature was already accepted for this request."""

    code = "signature_conflict"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Fetch the signed document; a request takes one signature only."


class SignatureUnacceptable(SigningError):
    """The signature was not made over these bytes by the key of this certificate."""

    code = "signature_unacceptable"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Sign exactly the bytes in to_be_signed with the key of the named certificate."


class KeyNotHere(SigningError):
    """The private key of this certificate is not in the server's reach."""

    code = "key_not_here"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Let the holder sign with the token, and post the signature."


class LevelNotOffered(SigningError):
    """This PAdES level is not offered here."""

    code = "level_not_offered"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Ask for B-B or B-T."


class DocumentGone(SigningError):
    """The document of this request is no longer stored."""

    code = "document_gone"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Use the copy that was returned when it was signed, or sign again."
