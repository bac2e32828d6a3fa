"""The system's card service with a virtual reader, for this test process alone.

`pcscd` has one fixed place for its socket, so it is started in a mount namespace of its own where
that place is a folder of ours; clients find it by the variable PCSCLITE_CSOCK_NAME. Nothing of the
machine's own card service is touched, and test processes do not meet.
"""

import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.tokens.machine import Daemon, library, program, wait_for

READERS = 2
_READER = """\
FRIENDLYNAME "Antin virtual reader"
DEVICENAME   /dev/null:0x{port:X}
LIBPATH      {driver}
CHANNELID    0x{port:X}
"""
# OpenSC's own words; without the second a PUK cannot be given through PKCS#11.
_OPENSC = """\
app default {
    card_drivers = PIV-II;
}
app opensc-pkcs11 {
    pkcs11 {
        user_pin_unblock_style = set_pin_in_unlogged_session;
    }
}
"""
_OWN_SOCKET_FOLDER = 'mkdir -p /run/pcscd && mount --bind "$1" /run/pcscd && shift && exec "$@"'


@dataclass
class CardService:
    """A running `pcscd`; *ports* are the places for cards."""

    ports: tuple[int, ...]
    folder: Path
    daemon: Daemon

    @classmethod
    def start(cls) -> "CardService":
        """Start one with empty readers, and point this process's clients at it."""
        daemon_program = program("pcscd", "pcscd")
        driver = library("pcsc/drivers/serial/libifdvpcd.so", "vsmartcard-vpcd")
        folder = Path(tempfile.mkdtemp(prefix="antin-cards-"))
        (folder / "run").mkdir()
        (folder / "readers").mkdir()
        port = _free_ports()
        (folder / "readers" / "vpcd").write_text(_READER.format(port=port, driver=driver))
        (folder / "opensc.conf").write_text(_OPENSC)
        own_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        daemon = Daemon(
            [
                *("unshare", "--mount", *own_root, "sh", "-c", _OWN_SOCKET_FOLDER, "sh"),
                *(folder / "run", daemon_program, "--foreground"),
                *("--config", folder / "readers"),
            ],
            folder / "pcscd.log",
        )
        service = cls((port, port + 1), folder, daemon)
        service.restart()
        os.environ["PCSCLITE_CSOCK_NAME"] = str(service.socket)
        os.environ["OPENSC_CONF"] = str(folder / "opensc.conf")
        return service

    @property
    def socket(self) -> Path:
        """Where clients find it."""
        return self.folder / "run" / "pcscd.comm"

    def restart(self) -> None:
        """Start it, or start it again."""
        self.daemon.stop()
        self.socket.unlink(missing_ok=True)
        (self.folder / "run" / "pcscd.pid").unlink(missing_ok=True)
        self.daemon.start()
        wait_for(
            lambda: self.socket.exists() and all(map(_answers, self.ports)),
            f"the card service did not start: {self.daemon.said()[-500:]}",
        )

    def stop(self) -> None:
        """End it and remove its folder."""
        self.daemon.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports() -> int:
    """Find two neighbouring ports that nobody listens on."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("0.0.0.0", 0))  # noqa: S104 - where the driver will listen
            port = int(one.getsockname()[1])
            try:
                next_one.bind(("0.0.0.0", port + 1))  # noqa: S104 - as above
            except (OSError, OverflowError):
                continue
            return port


def _answers(port: int) -> bool:
    """Whether the driver listens there; read from the kernel, since connecting is inserting."""
    listening = f":{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text()
