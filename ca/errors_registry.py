"""What can go wrong with the wider registry: imports, issuers, posts, calendars, notices.

CaError (ca.errors)
├── NotFound
│   ├── ImportNotFound          no import has that id
│   ├── IssuerNotFound          no known issuer has that id or name
│   ├── DifferenceNotFound      no status difference has that id
│   ├── PostNotFound            the person has no such post
│   ├── DelegationNotFound      no delegation has that id
│   └── SnapshotNotFound        no report was frozen under that id
├── AlreadyThere
│   ├── IssuerTaken             another issuer has this short name or name
│   └── SnapshotTaken           the period's report is frozen already
├── TransitionNotAllowed
│   └── DifferenceClosed        the difference was accepted or settled meanwhile
├── ImportUnreadable            the whole file cannot be taken (see `reason`)
├── IssuerInvalid               an issuer's certificate, name or address is not acceptable
├── PostInvalid                 a post's dates or text contradict themselves
├── DelegationInvalid           a delegation that the rules do not know (see `reason`)
├── CalendarInvalid             a holiday's date, kind or source cannot be accepted
├── CustodyInvalid              a hand-over without what it needs
└── NoticeInvalid               a notice channel or threshold that means nothing
"""

from ca.errors import AlreadyThere, CaError, NotFound, TransitionNotAllowed


class ImportNotFound(NotFound):
    """No import has that id."""

    code = "import_not_found"


class IssuerNotFound(NotFound):
    """No known issuer has that id or name."""

    code = "issuer_not_found"
    advice = "List the known issuers, or add this one with its name and certificate."


class DifferenceNotFound(NotFound):
    """No status difference has that id."""

    code = "difference_not_found"


class PostNotFound(NotFound):
    """The person has no such post."""

    code = "post_not_found"


class DelegationNotFound(NotFound):
    """No delegation has that id."""

    code = "delegation_not_found"


class SnapshotNotFound(NotFound):
    """No report was frozen under that id."""

    code = "snapshot_not_found"


class IssuerTaken(AlreadyThere):
    """Another issuer has this short name, or is named so."""

    code = "issuer_taken"


class SnapshotTaken(AlreadyThere):
    """The report of this period is frozen already, and frozen is final."""

    code = "snapshot_taken"
    advice = "Use the frozen report, or freeze another one under another name of the period."


class DifferenceClosed(TransitionNotAllowed):
    """The difference was accepted or settled meanwhile."""

    code = "difference_closed"


class ImportUnreadable(CaError):
    """The whole file cannot be taken; `reason` is a stable snake_case word for why.

    It is one of: too_large, too_many_rows, too_many_columns, empty, encoding, damaged, format,
    columns_missing, column_twice, no_certificates.
    """

    code = "import_unreadable"
    advice = (
        "Send CSV (UTF-8), XLSX, PEM, DER, P7B or a ZIP of those; a table needs at least the "
        "columns serial number, name, begin and end of validity."
    )

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, reason=reason)


class IssuerInvalid(CaError):
    """An issuer's certificate, name or address is not acceptable."""

    code = "issuer_invalid"
    advice = "Give a short name in letters, digits and dashes, a CA certificate, http addresses."


class PostInvalid(CaError):
    """A post's dates or text contradict themselves."""

    code = "post_invalid"
    advice = "A post has a title, an organisation, and ends after it began."


class DelegationInvalid(CaError):
    """A delegation that the rules do not know; `reason` is a stable snake_case word for why.

    It is one of: period, scope, self, same_unit, sub_delegation, not_in_post, document_reference.
    """

    code = "delegation_invalid"
    advice = "Correct the period, the scope or the persons; what was received TUQ. stays there."

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, reason=reason)


class CalendarInvalid(CaError):
    """A holiday's date, kind or source cannot be accepted."""

    code = "calendar_invalid"
    advice = "Give a date, a name of at most 200 characters and where the rule was read."


class CustodyInvalid(CaError):
    """A hand-over without what it needs, or to somebody who may not have the device."""

    code = "custody_invalid"
    advice = "Name who gives and who takes, and the number of the minutes of the hand-over."


class NoticeInvalid(CaError):
    """A notice channel or threshold that means nothing."""

    code = "notice_invalid"
    advice = "Give an e-mail address or an https address, and thresholds in days."
