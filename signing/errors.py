"""Errors of the signing room.

SigningError
├── SignRequestNotFound
├── SignRequestClosed        the request was cancelled, has failed or has expired
├── SignRequestNotSigned     its document is asked for too early
├── SignatureConflict        another signature was already accepted for the request
├── SignatureUnacceptable    the posted signature does not belong to the certificate and document
├── KeyNotHere               the key answers later, and cannot be used at once
├── NotAskable               the signer cannot be asked for these requests together
├── LevelNotOffered          the asked PAdES level cannot be made here
├── AlgorithmNotOffered      the certificate's key is of a kind that is not used here
├── TemplateNotFound         the installation has no stamp template of this name
├── UploadNotFound           no document waits under this id
├── AllowanceSpent           as much of this caller's waits as may
├── FinishedSpent            as much was finished for this caller in an hour as may be kept
├── StorageFull              the disk has no room that may be used
├── OutputRefused            our own verifier does not accept what was signed here
├── DocumentGone             the stored document is past its retention, or its storage was lost
├── WorkersBusy              every process that reads documents is busy
├── VerificationNotFound     no report was kept under this id
├── VerificationDestroyed    the report was destroyed; only its tombstone is left
├── DocumentDiffers          a report is to be repeated with another document
├── FormNotOffered           this report cannot be written in that form
└── NothingToReturn          a notice of return is asked for an acceptable document
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


class NotAskable(SigningError):
    """The signer cannot be asked for these requests together, or was asked already."""

    code = "not_askable"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Name waiting requests of one certificate, each started with `hold` and not asked."


class LevelNotOffered(SigningError):
    """This PAdES level is not offered here."""

    code = "level_not_offered"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Ask for one of B-B, B-T, B-LT and B-LTA that this installation makes."


class AlgorithmNotOffered(SigningError):
    """This installation does not sign with an algorithm of this kind."""

    code = "algorithm_not_offered"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Sign with a certificate for an RSA or an elliptic-curve key."


class TemplateNotFound(SigningError):
    """The installation has no stamp template of this name."""

    code = "template_not_found"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "List the templates; a name is written with the same capital letters."


class UploadNotFound(SigningError):
    """No document waits under this id, or it is somebody else's."""

    code = "upload_not_found"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Send the document again; uploads are kept for a day, and for one batch."


class AllowanceSpent(SigningError):
    """As many documents of this caller wait as may, or as many bytes; what waits is told."""

    code = "allowance_spent"

    def __init__(self, documents: int, size: int, most_documents: int, most_size: int) -> None:
        super().__init__(
            f"{documents} documents of yours with {size} bytes wait already; at most "
            f"{most_documents} with {most_size} bytes may"
        )
        self.documents, self.size = documents, size
        self.most_documents, self.most_size = most_documents, most_size

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return (
            "Sign what waits or take it back (DELETE /uploads, /sign or /sign/batches with its id),"
            " then try again; the operator can raise ANTIN_MAX_WAITING_DOCUMENTS and _BYTES."
        )


class FinishedSpent(SigningError):
    """As many bytes were finished for this caller within an hour as may be kept."""

    code = "finished_spent"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} bytes of finished documents are kept for you, none over an hour")
        self.most = most

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return (
            "Go on in an hour, when the first of them may be forgotten, or ask the operator to "
            "raise ANTIN_MAX_FINISHED_BYTES."
        )


class StorageFull(SigningError):
    """The disk of this service has no room that may be used for what callers send."""

    code = "storage_full"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return (
            "Try again later and tell the operator: the disk under ANTIN_HOME needs room, "
            "ANTIN_MIN_FREE_BYTES of it always stay free. Nothing of the request was kept."
        )


class OutputRefused(SigningError):
    """Our own verifier does not accept what this service has signed; nobody gets it."""

    code = "output_refused"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Keep the document and tell the administrator: this should not happen. Try again."


class DocumentGone(SigningError):
    """The document of this request is no longer stored."""

    code = "document_gone"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Use the copy that was returned when it was signed, or sign again."


class BatchNotFound(SigningError):
    """No batch has this id, or it is somebody else's."""

    code = "batch_not_found"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Check the id that the batch call returned."


class BatchRefused(SigningError):
    """The batch cannot be taken as it is."""

    code = "batch_refused"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Divide the batch, and sign encrypted documents one by one."


class BatchClosed(SigningError):
    """The batch was cancelled."""

    code = "batch_closed"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Make a new batch of the documents that are not signed."


class WorkersBusy(SigningError):
    """Every process that reads documents is busy."""

    code = "workers_busy"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Wait a few seconds and send the document again."


class VerificationNotFound(SigningError):
    """No report was kept under this id, or it is somebody else's."""

    code = "verification_not_found"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Check the id that the verify call returned; only reports with `store` are kept."


class VerificationDestroyed(SigningError):
    """The kept report was destroyed; a tombstone says when and why."""

    code = "verification_destroyed"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Verify the document again; the tombstone names who destroyed the report and why."


class DocumentDiffers(SigningError):
    """The document is not the one that the kept report is about."""

    code = "document_differs"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Send the very file that was verified; its SHA-256 is in the report."


class FormNotOffered(SigningError):
    """This report cannot be written in the form that was asked for."""

    code = "form_not_offered"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Ask for JSON, which every report can be written in."


class NothingToReturn(SigningError):
    """The document is acceptable, so there is no notice of return."""

    code = "nothing_to_return"

    def diagnostics(self) -> str:
        """Say what the caller can do."""
        return "Accept the document; ask for the report instead of the notice."
