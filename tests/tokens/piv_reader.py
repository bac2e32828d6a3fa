"""A virtual card in a virtual reader: the wire between a `PivCard` and the system's card service.

The reader driver of vsmartcard (`vpcd`) listens on a port; whoever connects is the card. Each
message is a length of two bytes and a body; a body of one byte switches the card off or on, resets
it, or asks for its answer to reset. Closing the connection is pulling the token out.
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

from tests.tokens.piv_card import PivCard

POWER_OFF, POWER_ON, RESET, ANSWER_TO_RESET = 0, 1, 2, 4
ATR = bytes.fromhex("3B8001" + "81")
CONNECT_SECONDS = 10.0


@dataclass
class Slot:
    """One place of the virtual reader, with a card in it or not."""

    port: int
    card: PivCard
    _link: socket.socket | None = None
    _thread: threading.Thread | None = field(default=None, repr=False)

    def insert(self) -> None:
        """Put the card in."""
        if self._link is not None:
            return
        link = socket.create_connection(("127.0.0.1", self.port), timeout=CONNECT_SECONDS)
        link.settimeout(None)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.card.power_on()
        self._link = link
        self._thread = threading.Thread(target=self._serve, args=(link,), daemon=True)
        self._thread.start()

    def pull(self) -> None:
        """Take the card out, whatever it is doing."""
        link, self._link = self._link, None
        if link is None:
            return
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
        link.close()
        if self._thread is not None:
            self._thread.join(timeout=CONNECT_SECONDS)

    def _serve(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                body = _read(link, struct.unpack(">H", _read(link, 2))[0])
                if len(body) == 1:
                    if body[0] != ANSWER_TO_RESET:
                        self.card.power_on()
                        continue
                    answer = ATR
                else:
                    answer = self.card.answer(body)
                link.sendall(struct.pack(">H", len(answer)) + answer)


def _read(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if hasattr(socket, "TCP_QUICKACK"):
            # The driver writes length and body apart; without this each command waits 40 ms.
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        part = link.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data
