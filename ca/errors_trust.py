"""What can go wrong with trusted lists; the root is `ca.errors.CaError`.

CaError
├── NotFound
│   └── TrustedListNotFound     no trusted list has that id
├── TrustedListUnreadable       no list of ETSI TS 119 612, or beyond the limits
├── TrustedListUntrusted        the signature is not the named signer's, or does not hold
└── TrustedListOutdated         past its next update, or older than the one that is there
"""

from ca.errors import CaError, NotFound


class TrustedListNotFound(NotFound):
    """No trusted list has that id."""

    code = "trusted_list_not_found"


class TrustedListUnreadable(CaError):
    """The file is no list of ETSI TS 119 612, or goes beyond the limits."""

    code = "trusted_list_unreadable"
    advice = "Give the list as its operator publishes it: XML with an enveloped signature."


class TrustedListUntrusted(CaError):
    """The signature is not that of the named signer, or does not hold."""

    code = "trusted_list_untrusted"
    advice = "Fetch the list again, and compare the signer's certificate with the operator's word."


class TrustedListOutdated(CaError):
    """The list is past its next update, or older than the one that is there."""

    code = "trusted_list_outdated"
    advice = "Fetch the newest list from its operator."
