"""What can go wrong at the doors, before or after a room has been asked.

ApiError
├── SettingsInvalid             an environment variable has a value that means nothing
├── SetUpFailed                 the first run, or a start, cannot be completed
│   └── PortBusy                another program listens on the address
├── Unauthenticated             no token, or one that is unknown, revoked or expired
├── PermissionDenied            the caller is known and may not do this
├── ParameterInvalid            a parameter, header or body that cannot be understood
│   ├── ParameterUnknown        a query parameter that the call does not have
│   ├── BodyMissing             an upload without its file
│   └── BodyTypeUnsupported     a content type that this call does not take
├── BodyTooLarge                more bytes than the limit
├── RowsRefused                 a table with wrong rows; nothing of it was stored
├── ApiTokenNotFound            no API token has that id
├── PathUnknown                 nothing answers at this address
├── MethodNotAllowed            something answers there, but not to this method
├── IdempotencyKeyReused        the key came before with another body
├── IdempotencyInProgress       the first request with that key has not finished
├── NotEmpty                    a folder or database that has to be empty is not
├── BackupUnusable              a backup is not whole, or no backup
├── WebhookNotFound             no webhook, or no delivery, has that id
├── WebhooksFull                as many webhooks are told as may be
├── NotReady                    the server cannot work now (see `detail`)
└── Unexpected                  our fault; the log holds the details
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ApiError(Exception):
    """Root of the doors' errors; `code` is stable and fit for a machine."""

    code: ClassVar[str] = "api_error"

    def diagnostics(self) -> str:
        """Say in one sentence what the caller can do about it."""
        return "Check the request against the documentation at /docs and try again."


class SettingsInvalid(ApiError):
    """An environment variable has a value that means nothing; `variable` names it."""

    code = "settings_invalid"

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable
        self.problem = problem

    def diagnostics(self) -> str:
        """Say what to do."""
        return f"Correct or unset {self.variable} and start again."


class SetUpFailed(ApiError):
    """The first run, or a later start, cannot be completed."""

    code = "set_up_failed"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Correct what the message names and start again; a start may be repeated safely."


class PortBusy(SetUpFailed):
    """Another program listens on this address."""

    code = "port_busy"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Stop the other program, or choose another port with ANTIN_PORT."


class Unauthenticated(ApiError):
    """No token, or one that is unknown, revoked or expired; which of these is not told."""

    code = "unauthenticated"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send `Authorization: Bearer <token>` with a token that is in force."


class PermissionDenied(ApiError):
    """The caller is known and may not do this, or not for this organisation."""

    code = "permission_denied"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Ask an administrator for a role that allows this for the organisation concerned."


class ParameterInvalid(ApiError):
    """A parameter, header or body that cannot be understood; `where` names it."""

    code = "parameter_invalid"

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Correct the named parameter; /docs and /openapi.json show what is expected."


class ParameterUnknown(ParameterInvalid):
    """A query parameter that the call does not have; `known` are those that it has."""

    code = "parameter_unknown"

    def __init__(self, where: str, known: list[str]) -> None:
        self.known = ", ".join(known) or "-"
        super().__init__(where, f"there is no such parameter here; known are: {self.known}")

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Correct the parameter's name or leave it out; nothing was looked up without it."


class BodyMissing(ParameterInvalid):
    """An upload without its file."""

    code = "body_missing"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send the document as the raw body, or as the multipart part named `file`."


class BodyTypeUnsupported(ParameterInvalid):
    """A content type that this call does not take."""

    code = "body_type_unsupported"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send application/pdf, or multipart/form-data with the parts `file` and `options`."


class BodyTooLarge(ApiError):
    """More bytes than the limit; reading stopped there and nothing was kept."""

    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Send a smaller file, or ask the operator to raise ANTIN_MAX_UPLOAD_BYTES."


class RowsRefused(ApiError):
    """A table with wrong rows, of which nothing was stored; `members` tells what is wrong."""

    code = "rows_refused"

    def __init__(self, failed: int, total: int, rows: Sequence[Mapping[str, object]]) -> None:
        super().__init__(f"{failed} of {total} rows have a problem; nothing was stored")
        self.failed, self.total = failed, total
        self.members: Mapping[str, object] = {"failed": failed, "rows": list(rows)}

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Correct the rows that `rows` names by their numbers and send the whole file again."


class ApiTokenNotFound(ApiError):
    """No API token has that id."""

    code = "api_token_not_found"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "List the tokens and choose one of them."


class PathUnknown(ApiError):
    """Nothing answers at this address."""

    code = "path_unknown"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Check the address; /openapi.json lists every path."


class MethodNotAllowed(ApiError):
    """Something answers at this address, but not to this method."""

    code = "method_not_allowed"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Use one of the methods that the Allow header names."


class IdempotencyKeyReused(ApiError):
    """The Idempotency-Key came before, with another request."""

    code = "idempotency_key_reused"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Use a new Idempotency-Key for a new request; repeat the old body to get its answer."


class IdempotencyInProgress(ApiError):
    """The first request with this Idempotency-Key has not finished; try again soon."""

    code = "idempotency_in_progress"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Wait for the seconds that Retry-After names and repeat the same request."


class NotEmpty(ApiError):
    """A folder or a database that has to be empty is not; nothing was written."""

    code = "not_empty"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Name an empty or new place; what is there is never overwritten."


class BackupUnusable(ApiError):
    """A backup is not whole, was changed, or is no backup; nothing was restored."""

    code = "backup_unusable"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Fetch the folder once more from where it is kept, or take another backup."


class WebhookNotFound(ApiError):
    """No webhook, or no delivery of one, has that id."""

    code = "webhook_not_found"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "List the webhooks to find the right id."


class WebhooksFull(ApiError):
    """As many webhooks are told of events as may be."""

    code = "webhooks_full"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} webhooks are told already")
        self.most = most

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Disable a webhook that nobody listens to (DELETE /webhooks/{id}) and try again."


class NotReady(ApiError):
    """The server cannot work now."""

    code = "not_ready"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Try again soon; /readyz shows which part is not ready."


class Unexpected(ApiError):
    """Something failed that should not; the server's log holds the details under the request id."""

    code = "unexpected"

    def diagnostics(self) -> str:
        """Say what to do."""
        return "Tell the operator the request id; the same request may be repeated."
