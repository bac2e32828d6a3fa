"""Messages between this process and its workers: a JSON head, byte strings, open files.

Only JSON and plain bytes come back from a worker, so that one that a document has taken over can
give a wrong answer about that document and nothing else.
"""

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_FRAME_BYTES = 512 * 1024 * 1024
"""Everything in one message; the largest are evidence with several CRLs."""
MAX_PARTS = 4096
MAX_FILES = 4
_COUNTS = struct.Struct(">BII")
_LENGTH = struct.Struct(">Q")


class ConnectionEnded(Exception):
    """The other side is gone, or what it sends is no message."""


@dataclass(frozen=True)
class Frame:
    """One message; `files` are descriptors that the receiver owns."""

    head: Mapping[str, object]
    parts: Sequence[bytes] = ()
    files: Sequence[int] = field(default=())


def send(to: socket.socket, frame: Frame) -> None:
    """Send a whole message."""
    head = json.dumps(frame.head).encode()
    counts = _COUNTS.pack(len(frame.files), len(head), len(frame.parts))
    lengths = b"".join(_LENGTH.pack(len(part)) for part in frame.parts)
    if frame.files:
        socket.send_fds(to, [counts[:1]], list(frame.files))
    else:
        to.sendall(counts[:1])
    to.sendall(counts[1:] + head + lengths)
    for part in frame.parts:
        to.sendall(part)


def receive(source: socket.socket) -> Frame:
    """Receive a whole message; raises ConnectionEnded, or TimeoutError by the socket's time-out."""
    first, files, _, _ = socket.recv_fds(source, 1, MAX_FILES)
    if not first:
        raise ConnectionEnded("the other side has closed the connection")
    _, head_length, count = _COUNTS.unpack(first + _exactly(source, _COUNTS.size - 1))
    if count > MAX_PARTS or head_length > MAX_FRAME_BYTES:
        raise ConnectionEnded("the message is too large")
    head = _exactly(source, head_length)
    packed = _exactly(source, _LENGTH.size * count)
    lengths = [length for (length,) in _LENGTH.iter_unpack(packed)]
    if sum(lengths) > MAX_FRAME_BYTES:
        raise ConnectionEnded("the message is too large")
    parts = tuple(_exactly(source, length) for length in lengths)
    try:
        parsed = json.loads(head)
    except ValueError as error:
        raise ConnectionEnded("the message has no readable head") from error
    if not isinstance(parsed, dict):
        raise ConnectionEnded("the message has no readable head")
    return Frame(parsed, parts, tuple(files))


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        got = source.recv_into(view[done:])
        if not got:
            raise ConnectionEnded("the other side ended in the middle of a message")
        done += got
    return bytes(data)
