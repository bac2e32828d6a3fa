"""What is known when a signature is judged: evidence, rules, and the times that are proven."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pdf.rules import DEFAULT_RULES, Rules
from pdf.validator import CertificateValidator


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Who judges certificates, for which moment, and what is given beside the certificate."""

    validator: CertificateValidator
    at: datetime
    others: Sequence[bytes] = ()
    crls: Sequence[bytes] = ()
    ocsp_responses: Sequence[bytes] = ()
    rules: Rules = field(default=DEFAULT_RULES)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Between which moments a signature was made, as trusted time-stamps prove.

    `proven`: it existed then (the best signature time of EN 319 102-1). `earliest`: it covers a
    time-stamp of that moment, so it is not older.
    """

    proven: datetime | None = None
    earliest: datetime | None = None
