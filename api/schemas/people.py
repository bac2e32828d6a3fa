"""Posts, delegations and custody, as the registry's calls take and show them."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas.devices import DeviceOut
from api.schemas.lists import Schema
from ca.custody import CustodyNote
from ca.delegations import DelegationDetails
from ca.models import DeviceState
from ca.models_people import CustodyRecord, Delegation, DelegationForm, FormerName, Post
from ca.models_publication import Incident
from ca.posts import PostDetails


class _Row(BaseModel):
    """What is shown just as it is stored."""

    model_config = ConfigDict(from_attributes=True)


class PostIn(Schema):
    """A post to be given."""

    organization_id: uuid.UUID
    title: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    document_reference: str | None = None
    keeps_others: bool = Field(default=False, description="Whether other posts go on beside it")
    revoke_certificates: bool = Field(
        default=True, description="Whether certificates end with the posts whose end is to come"
    )

    def details(self) -> PostDetails:
        """Return it as the registry takes it."""
        return PostDetails(
            organization_id=self.organization_id,
            title=self.title,
            began_at=self.began_at,
            ended_at=self.ended_at,
            document_reference=self.document_reference,
        )


class PostEnd(Schema):
    """When a post ends, also in advance; certificates issued for it end with it, if that comes."""

    ended_at: AwareDatetime
    document_reference: str | None = None
    revoke_certificates: bool = True


class PostOut(_Row):
    """A post of a person."""

    id: uuid.UUID
    subscriber_id: uuid.UUID
    organization_id: uuid.UUID
    title: str
    began_at: datetime
    ended_at: datetime | None
    document_reference: str | None
    recorded_at: datetime
    recorded_by: str
    incident_id: uuid.UUID | None = None
    """What is planned for its end."""

    @classmethod
    def of(cls, row: Post, planned: Mapping[uuid.UUID, Incident]) -> Self:
        """Show a row, and what its end revokes."""
        shown = cls.model_validate(row)
        if row.id in planned:
            shown.incident_id = planned[row.id].id
        return shown


class DelegationIn(Schema):
    """A delegation; TUQ. needs an end and a document, TM. has no giver."""

    form: DelegationForm
    organization_id: uuid.UUID
    taker_id: uuid.UUID
    giver_id: uuid.UUID | None = None
    scope: str
    began_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    document_reference: str | None = None

    def details(self) -> DelegationDetails:
        """Return it as the registry takes it."""
        return DelegationDetails(**self.model_dump())


class DelegationOut(_Row):
    """A delegation."""

    id: uuid.UUID
    form: DelegationForm
    organization_id: uuid.UUID
    giver_id: uuid.UUID | None
    taker_id: uuid.UUID
    scope: str
    began_at: datetime
    ended_at: datetime | None
    withdrawn_at: datetime | None
    document_reference: str | None
    recorded_at: datetime
    recorded_by: str

    @classmethod
    def of(cls, row: Delegation) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class FormerNameOut(_Row):
    """What a unit was called before."""

    name: str
    used_until: datetime

    @classmethod
    def of(cls, row: FormerName) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class CustodyIn(Schema):
    """One step of a device; a hand-over names the holder and the minutes."""

    state: DeviceState
    subscriber_id: uuid.UUID | None = None
    minutes: str | None = Field(default=None, description="Number of the minutes (biên bản)")
    given_by: str | None = None
    taken_by: str | None = None
    note: str | None = None
    suspend_certificates: bool = Field(
        default=False, description="Also suspend what is in force on it, such as when it is lost"
    )

    def custody_note(self) -> CustodyNote:
        """Return it as the registry takes it."""
        return CustodyNote(self.minutes, self.given_by, self.taken_by, self.note)


class CustodyOut(_Row):
    """A step that was taken."""

    id: uuid.UUID
    at: datetime
    came_from: str
    state: DeviceState
    subscriber_id: uuid.UUID | None
    minutes: str | None
    given_by: str | None
    taken_by: str | None
    note: str | None
    actor: str

    @classmethod
    def of(cls, row: CustodyRecord) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class CustodyDone(BaseModel):
    """The device after the step, and the certificates that were suspended with it."""

    device: DeviceOut
    suspended: list[uuid.UUID]
