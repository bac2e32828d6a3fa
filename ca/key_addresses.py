"""Where the private key of a certificate is, when it is neither here nor only with its holder.

A SIM or a signing service is named by a `sim:` or `csc:` address. A wrong address forges nothing,
because every signature is checked with the certificate; it only asks the wrong person.
"""

import uuid
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from ca.errors import CertificateNotFound, DeviceInvalid
from ca.models import Certificate, Device, DeviceKind
from db import audit
from hsm.errors import KeyUriInvalid
from hsm.key_uri import KeyScheme, KeyURI

_ELSEWHERE: Final = frozenset({KeyScheme.SIM, KeyScheme.CSC})


def assign(
    session: Session,
    certificate_id: uuid.UUID,
    address: KeyURI | None,
    *,
    at: datetime,
    actor: str,
) -> Certificate:
    """Note where the key is; None: only its holder can use it.

    Raises KeyUriInvalid for a key that this server itself would open, DeviceInvalid when the
    certificate's SIM has another number, CertificateNotFound.
    """
    row = session.get(Certificate, certificate_id, with_for_update=True)
    if row is None:
        raise CertificateNotFound(f"no certificate {certificate_id}")
    before = KeyURI.parse(row.key_uri) if row.key_uri else None
    for one in (before, address):
        if one is not None and one.scheme not in _ELSEWHERE:
            raise KeyUriInvalid("only the address of a key on a SIM or at a service can be changed")
    if address is not None:
        _check_number(session, row, address)
    row.key_uri = None if address is None else str(address)
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="certificate.key_address",
        object_type="certificate",
        object_id=str(row.id),
        before={"key_uri": None if before is None else str(before)},
        after={"key_uri": row.key_uri},
    )
    return row


def _check_number(session: Session, row: Certificate, address: KeyURI) -> None:
    if row.device_id is None or address.scheme is not KeyScheme.SIM:
        return
    device = session.get_one(Device, row.device_id)
    numbers = address.location.split("/")
    if device.kind is DeviceKind.SIM and device.msisdn not in numbers:
        raise DeviceInvalid(
            "the address has another number than the certificate's SIM", reason="another_number"
        )
