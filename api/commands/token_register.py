"""What `antin tokens` did, written down in the register of devices, where there is one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from api import first_run
from api.commands.installation import operator
from api.commands.output import complain, out
from api.wiring import utc_now
from ca import device_pins
from ca.device_pins import PinEvent
from db.errors import DbError
from db.session import create_engine, session_factory

if TYPE_CHECKING:
    from api.settings import Settings

log = logging.getLogger(__name__)


def note(settings: Settings, serial_number: str, event: str) -> None:
    """Write down what happened to a token's PIN; the token itself is as it is, whatever happens."""
    try:
        with first_run.database(settings) as url:
            engine = create_engine(url, pool_size=1)
            try:
                with session_factory(engine).begin() as session:
                    device = device_pins.note(
                        session, serial_number, PinEvent(event), at=utc_now(), actor=operator()
                    )
                    state = device.state.value if device is not None else None
            finally:
                engine.dispose()
    except (SQLAlchemyError, DbError, OSError) as error:
        log.debug("not recorded", exc_info=error)
        complain(
            f"token {serial_number}: {event} is not in the register of devices",
            "The database does not answer. Note it later with `antin devices set`.",
        )
        return
    if state is not None:
        out.print(f"recorded: device {serial_number} is {state}")
