"""What a certificate says of its subscriber: registry data turned into a profile's subject."""

import uuid
from typing import Protocol

from ca.errors import SubjectInvalid
from ca.models import SubscriberKind
from ca.names import Subject
from ca.profiles import Profile, check_subject

LOCAL_SCHEME = "MD"
"""Two letters for the national scheme of agency codes (ETSI EN 319 412-1 5.1.4, last form)."""

_OF_KIND = {
    SubscriberKind.PERSON: "a person",
    SubscriberKind.ORGANIZATION: "an organisation",
}


class SubscriberShown(Protocol):
    """What a certificate says of a subscriber: the row itself, or its columns read by another."""

    @property
    def id(self) -> uuid.UUID:
        """The registry's own number, for ever."""
        ...

    @property
    def kind(self) -> SubscriberKind:
        """Person or organisation."""
        ...

    @property
    def full_name(self) -> str:
        """The common name."""
        ...

    @property
    def given_name(self) -> str | None:
        """As the registry has it; None for organisations."""
        ...

    @property
    def surname(self) -> str | None:
        """As the given name."""
        ...

    @property
    def post(self) -> str | None:
        """What goes into `title`."""
        ...


class OrganizationShown(Protocol):
    """What a certificate says of an organisation."""

    @property
    def code(self) -> str:
        """The national code of the agency."""
        ...

    @property
    def name(self) -> str:
        """The organisation's present name."""
        ...

    @property
    def identifier(self) -> str | None:
        """Tax number, where it has one."""
        ...


def subject_for(
    profile: Profile, *, subscriber: SubscriberShown, organization: OrganizationShown
) -> Subject:
    """Return the subject of a certificate for this subscriber, checked against the profile.

    A person's serialNumber is the registry's own number of the person: unique for ever, and
    worthless to whoever reads it elsewhere. Raises SubjectInvalid.
    """
    if subscriber.kind is not profile.subscriber_kind:
        meant = f"profile {profile.identifier} is meant for {_OF_KIND[profile.subscriber_kind]}"
        raise SubjectInvalid("kind", f"{meant}; choose one for this subscriber", reason="kind")
    if subscriber.kind is SubscriberKind.PERSON:
        subject = Subject(
            common_name=subscriber.full_name,
            given_name=subscriber.given_name,
            surname=subscriber.surname,
            serial_number=subscriber.id.hex,
            organization=organization.name,
            title=subscriber.post,
        )
    else:
        subject = Subject(
            common_name=subscriber.full_name,
            organization=organization.name,
            organization_identifier=organization_identifier(organization),
        )
    check_subject(profile, subject)
    return subject


def organization_identifier(organization: OrganizationShown) -> str:
    """Return the organizationIdentifier: the tax code, or the agency code in a local scheme."""
    if organization.identifier:
        return f"VATVN-{organization.identifier}"
    return f"{LOCAL_SCHEME}:VN-{organization.code}"
