"""Why a certificate is revoked; of the registry, of CRLs and of OCSP answers alike."""

from enum import StrEnum


class RevocationReason(StrEnum):
    """CRLReason of RFC 5280 5.3.1, without the values that a registry never assigns."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key_compromise"
    CA_COMPROMISE = "ca_compromise"
    AFFILIATION_CHANGED = "affiliation_changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation_of_operation"
    CERTIFICATE_HOLD = "certificate_hold"
    PRIVILEGE_WITHDRAWN = "privilege_withdrawn"
