"""Devices, as `/devices` takes and shows them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from api.schemas.lists import Schema
from ca.devices import DeviceDetails
from ca.models import Device, DeviceKind, DeviceState


class DeviceIn(Schema):
    """A device to be taken into stock; the last three are for SIMs."""

    kind: DeviceKind
    serial_number: str
    msisdn: str | None = None
    iccid: str | None = None
    operator: str | None = None

    def details(self) -> DeviceDetails:
        """Return it as the registry takes it."""
        return DeviceDetails(
            kind=self.kind,
            serial_number=self.serial_number,
            msisdn=self.msisdn,
            iccid=self.iccid,
            operator=self.operator,
        )


class DeviceMove(Schema):
    """What became of a device; a hand-over names the holder."""

    state: DeviceState
    subscriber_id: uuid.UUID | None = None


class DeviceOut(BaseModel):
    """A device and who holds it."""

    id: uuid.UUID
    kind: DeviceKind
    serial_number: str
    state: DeviceState
    subscriber_id: uuid.UUID | None
    msisdn: str | None
    iccid: str | None
    operator: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Device) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            kind=row.kind,
            serial_number=row.serial_number,
            state=row.state,
            subscriber_id=row.subscriber_id,
            msisdn=row.msisdn,
            iccid=row.iccid,
            operator=row.operator,
            created_at=row.created_at,
        )
