"""What can go wrong with certificates, in words a caller can act on.

    CaError
    ├── NotFound                    nothing of that name is in the registry
    │   ├── OrganizationNotFound
    │   ├── SubscriberNotFound
    │   ├── DeviceNotFound
    │   ├── RequestNotFound
    │   ├── CertificateNotFound
    │   ├── AuthorityNotFound
    │   └── TrustAnchorNotFound
    ├── AlreadyThere                the registry holds one already
    │   ├── OrganizationCodeTaken
    │   ├── SubscriberTaken
    │   ├── DeviceTaken
    │   └── TrustAnchorTaken
    ├── OrganizationInvalid         code, parent or validity of a unit cannot be accepted
    ├── SubscriberInvalid           kind and attributes of a subscriber do not fit together
    ├── DeviceInvalid               a serial, MSISDN or ICCID is not well-formed
    ├── RequestInvalid              a request lacks something, or asks for two things
    ├── SelfApproval                the requester tried to decide on the own request
    ├── TransitionNotAllowed        the state or status machine has no such step
    │   └── AlreadyRevoked          revoked is final
    ├── ReasonInvalid               this revocation reason or date does not fit the step
    ├── CsrUnacceptable             the certification request fails a check (see `reason`)
    ├── KeyUnacceptable             a public key is weak, blocked or someone else's
    ├── ProfileUnknown              no profile of that name and version
    ├── SubjectInvalid              a subject that the profile does not allow
    ├── IssueFailed                 issuing stopped between the intent and the certificate
    │   ├── LintFailed              the twin certificate has findings
    │   ├── SignedBytesDiffer       what was signed is not what was linted
    │   └── IntentNotOpen           the intent was completed or abandoned meanwhile
    ├── CertificateNotUsable        exists, and must not be used now (see `reason`)
    ├── AuthorityUnavailable        an authority or its key cannot be used
    │   ├── ClockUntrusted          the time-stamp clock was moved
    │   └── AuthorityPlanInvalid    the plan of the first run contradicts itself
    ├── CrlUnavailable              no CRL has been published, or it is past nextUpdate
    ├── TimestampRequestInvalid     not an RFC 3161 request that we answer
    ├── AnchorUnreadable            a trust anchor is not a usable CA certificate
    ├── PolicyUnreadable            an algorithm policy file is not understood
    ├── RevocationDataUnavailable   status could not be learned from anywhere
    ├── SearchInvalid               a filter or a cursor that means nothing
    └── ReportInvalid               a report was asked for by an unknown dimension

Names say what happened; the suffix "Error" would repeat what `raise` and `except` already say.
Messages carry public facts only: never a PIN, a key or a database URL.
"""

from typing import ClassVar


class CaError(Exception):
    """Root of this room's errors; `code` is stable and fit for a machine."""

    code: ClassVar[str] = "ca_error"
    advice: ClassVar[str] = "Check what was asked for and try again."

    def __init__(self, *said: object, reason: str = "") -> None:
        """Take the message, and a stable snake_case word where one code has several reasons."""
        super().__init__(*said)
        self.reason = reason

    def diagnostics(self) -> str:
        """Say in one sentence what the caller can do about it."""
        return self.advice


class NotFound(CaError):
    """Nothing of that name is in the registry."""

    code = "not_found"
    advice = "Check the identifier; search the registry by name, code or serial number."


class OrganizationNotFound(NotFound):
    """No organisation has that id or code."""

    code = "organization_not_found"


class SubscriberNotFound(NotFound):
    """No subscriber has that id."""

    code = "subscriber_not_found"


class DeviceNotFound(NotFound):
    """No device has that id or serial number."""

    code = "device_not_found"


class RequestNotFound(NotFound):
    """No certificate request has that id."""

    code = "request_not_found"


class CertificateNotFound(NotFound):
    """No certificate has that id or serial number."""

    code = "certificate_not_found"


class AuthorityNotFound(NotFound):
    """No authority has that name, or the first run has not made it yet."""

    code = "authority_not_found"
    advice = "Run the set-up of the authorities, or check the authority's name."


class TrustAnchorNotFound(NotFound):
    """No trust anchor has that id."""

    code = "trust_anchor_not_found"


class AlreadyThere(CaError):
    """The registry holds one already."""

    code = "already_there"
    advice = "Use the one that exists, or choose another code or number."


class OrganizationCodeTaken(AlreadyThere):
    """Another organisation has this code."""

    code = "organization_code_taken"


class SubscriberTaken(AlreadyThere):
    """Another subscriber has this national id."""

    code = "subscriber_taken"


class DeviceTaken(AlreadyThere):
    """Another device has this serial number or ICCID."""

    code = "device_taken"


class TrustAnchorTaken(AlreadyThere):
    """This certificate is a trust anchor already."""

    code = "trust_anchor_taken"


class OrganizationInvalid(CaError):
    """Code, parent or validity of a unit cannot be accepted."""

    code = "organization_invalid"
    advice = "Correct the code, the parent or the dates of the organisation."


class SubscriberInvalid(CaError):
    """Kind and attributes of a subscriber do not fit together."""

    code = "subscriber_invalid"
    advice = "A person needs a given name and a surname; an organisation needs neither."


class DeviceInvalid(CaError):
    """A serial number, MSISDN or ICCID is not well-formed."""

    code = "device_invalid"
    advice = "Check the number printed on the device; phone numbers are written as +84…"


class RequestInvalid(CaError):
    """A request lacks something it needs, or asks for two things at once."""

    code = "request_invalid"
    advice = "Complete the request: subscriber, profile, and either a CSR or a key algorithm."


class SelfApproval(CaError):
    """Somebody tried to decide on a request of their own."""

    code = "self_approval"
    advice = "Ask another administrator to decide on this request."


class TransitionNotAllowed(CaError):
    """The state machine has no step from here to there.

    `current` and `asked` are the names of the two states.
    """

    code = "transition_not_allowed"
    advice = "Read the record again: somebody may have changed it, or a step is missing before."

    def __init__(self, current: str, asked: str) -> None:
        super().__init__(f"there is no step from {current} to {asked}")
        self.current = current
        self.asked = asked


class AlreadyRevoked(TransitionNotAllowed):
    """The certificate is revoked, and revoked is final."""

    code = "already_revoked"
    advice = "Nothing can bring a revoked certificate back; issue a new one."


class ReasonInvalid(CaError):
    """The revocation reason or the date does not fit this step."""

    code = "reason_invalid"
    advice = (
        "Choose a reason that fits: certificate_hold only suspends, and the invalidity date "
        "lies neither in the future nor before the certificate began."
    )


class CsrUnacceptable(CaError):
    """The certification request fails a check; `reason` is a stable snake_case word for which."""

    code = "csr_unacceptable"
    advice = "Make a new key pair and certification request (PKCS#10) and send that."

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, reason=reason)


class KeyUnacceptable(CaError):
    """A public key is weak, blocked, or in another subscriber's certificate; see `reason`."""

    code = "key_unacceptable"
    advice = "Make a new key pair: RSA of at least 2048 bits, P-256 or P-384."

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, reason=reason)


class ProfileUnknown(CaError):
    """There is no certificate profile of that name and version."""

    code = "profile_unknown"
    advice = "Choose one of the built-in profiles; leave the version out for the newest."


class SubjectInvalid(CaError):
    """The subject's attributes do not fit the profile; `attribute` names the first that fails."""

    code = "subject_invalid"
    advice = "Correct the subscriber's or the organisation's data, or the profile, and ask again."

    def __init__(self, attribute: str, detail: str, *, reason: str) -> None:
        super().__init__(f"{attribute}: {detail}", reason=reason)
        self.attribute = attribute


class IssueFailed(CaError):
    """Issuing stopped after the intent was recorded; the intent stays open for a decision."""

    code = "issue_failed"
    advice = "List the open intents, abandon this one, and submit a new request."


class LintFailed(IssueFailed):
    """The certificate that was about to be signed has findings; nothing was signed."""

    code = "lint_failed"
    advice = "Correct the profile or the subject that the findings name; nothing was signed."

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


class SignedBytesDiffer(IssueFailed):
    """The signature is not one over the linted bytes by the authority's key."""

    code = "signed_bytes_differ"
    advice = "Check the authority's token at once; the certificate was not stored."


class IntentNotOpen(IssueFailed):
    """The intent was completed or abandoned meanwhile."""

    code = "intent_not_open"
    advice = "Read the certificate again; an intent is signed at most once."


class CertificateNotUsable(CaError):
    """The certificate exists and must not be used at this time.

    `reason` is one of: issuing, abandoned, suspended, revoked, expired, not_yet_valid,
    issuer_not_usable, not_held.
    """

    code = "certificate_not_usable"
    advice = "Use another certificate, or ask for a new one."

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, reason=reason)


class AuthorityUnavailable(CaError):
    """An authority, or the key it signs with, cannot be used now."""

    code = "authority_unavailable"
    advice = "Check that the authority's token is present, open and holds its key."


class ClockUntrusted(AuthorityUnavailable):
    """The time-stamp authority has stopped, because its clock was moved."""

    code = "clock_untrusted"
    advice = (
        "Set the clock right with NTP on the servers and the database, then restart the service."
    )


class AuthorityPlanInvalid(AuthorityUnavailable):
    """The plan of the first run contradicts itself."""

    code = "authority_plan_invalid"
    advice = "Correct names, key algorithms or lifetimes in the plan of the authorities."


class CrlUnavailable(CaError):
    """No CRL has been published yet, or the newest is past its nextUpdate."""

    code = "crl_unavailable"
    advice = "Check that the worker runs; it publishes a CRL before the last one runs out."


class TimestampRequestInvalid(CaError):
    """The bytes are not an RFC 3161 request that we answer; `failure` is a PKIFailureInfo name."""

    code = "timestamp_request_invalid"
    advice = "Send a TimeStampReq with a SHA-256, SHA-384 or SHA-512 imprint."

    def __init__(self, failure: str, detail: str = "") -> None:
        super().__init__(f"{failure}: {detail}" if detail else failure)
        self.failure = failure


class AnchorUnreadable(CaError):
    """A trust anchor cannot be read, or is not a CA certificate."""

    code = "anchor_unreadable"
    advice = "Give a CA certificate as PEM or DER."


class PolicyUnreadable(CaError):
    """An algorithm policy file cannot be read or is not understood."""

    code = "policy_unreadable"
    advice = "Correct the policy file as the message says; times need their zone."


class RevocationDataUnavailable(CaError):
    """The status of a certificate could not be learned from any source."""

    code = "revocation_data_unavailable"
    advice = "Try again later, or check the way to the issuer's CRL and OCSP addresses."


class SearchInvalid(CaError):
    """A filter or a paging cursor that means nothing here."""

    code = "search_invalid"
    advice = "Start the search again from its first page with the documented filters."


class ReportInvalid(CaError):
    """A report was asked for by a dimension that does not exist."""

    code = "report_invalid"
    advice = "Group by kind, status, organization, level, authority or month of issue."
