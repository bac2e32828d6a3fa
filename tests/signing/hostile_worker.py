"""A worker that does to itself what a hostile document would, by the name of the document."""

import os
import socket
import sys
import time

from signing import isolated_jobs, isolated_worker
from signing.frames import Frame

honest = isolated_jobs.run


def hostile(asked: Frame, connection: socket.socket) -> Frame:
    name = str(asked.head.get("name", ""))
    if name.startswith("slow"):
        time.sleep(60)
    if name.startswith("busy"):
        while True:
            pass
    if name.startswith("dead"):
        os._exit(1)
    if name.startswith("lying"):
        connection.sendall(b"\x00\xff\xff\xff\xff\xff\xff\xff\xff")
    if name.startswith("hungry"):
        try:
            bytearray(1 << 34)
        except MemoryError:
            return Frame({"lost": "memory"})
    return honest(asked, connection)


isolated_jobs.run = hostile

if __name__ == "__main__":
    isolated_worker.main(int(sys.argv[1]), int(sys.argv[2]))
