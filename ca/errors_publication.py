"""What can go wrong with incidents and with what is published; the root is `ca.errors.CaError`.

CaError
├── NotFound
│   └── IncidentNotFound        no incident has that id
└── IncidentInvalid             a decision on many certificates cannot be taken like this
"""

from ca.errors import CaError, NotFound


class IncidentNotFound(NotFound):
    """No incident has that id."""

    code = "incident_not_found"


class IncidentInvalid(CaError):
    """A decision on many certificates lacks something, or contradicts itself."""

    code = "incident_invalid"
    advice = "Name whose certificates end, why in words, and a time from now on."
