"""A time-stamp authority made of the openssl command, alone and behind HTTP."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pdf.tokens import new_nonce, request_for, token_from
from tests.pdf.signing_kit import certificate, root

_CONFIG = """
[tsa]
default_tsa = ours
[ours]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_alg = {ess}
"""


class OpensslAuthority:
    """Answers time-stamp requests; also a TimestampSource for embedding."""

    def __init__(
        self, folder: Path, *, key: str = "rsa", timestamping: bool = True, ess: str = "sha256"
    ) -> None:
        self.folder = folder
        made = (
            rsa.generate_private_key(public_exponent=65537, key_size=2048)
            if key == "rsa"
            else ec.generate_private_key(ec.SECP256R1())
        )
        issued = certificate(
            "Máy chủ dấu thời gian", made, issuer=root(), timestamping=timestamping
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.conf").write_text(_CONFIG.format(folder=folder, ess=ess))
        (folder / "tsa.crt").write_bytes(issued.public_bytes(Encoding.PEM))
        (folder / "root.crt").write_bytes(root()[0].public_bytes(Encoding.PEM))
        (folder / "tsa.key").write_bytes(
            made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        self.asked = 0

    def answer(self, request: bytes) -> bytes:
        """Give a TimeStampResp."""
        self.asked += 1
        (self.folder / "query").write_bytes(request)
        subprocess.run(
            [
                "openssl",
                "ts",
                "-reply",
                "-config",
                "tsa.conf",
                "-queryfile",
                "query",
                "-signer",
                "tsa.crt",
                "-inkey",
                "tsa.key",
                "-chain",
                "root.crt",
                "-out",
                "reply",
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        return (self.folder / "reply").read_bytes()

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Give a token, checked as from any server."""
        nonce = new_nonce()
        answer = self.answer(request_for(digest, hash_algorithm, nonce=nonce))
        return token_from(answer, digest=digest, hash_algorithm=hash_algorithm, nonce=nonce)


@contextlib.contextmanager
def serving(answer: Callable[[bytes], bytes | int]) -> Iterator[str]:
    """Serve answers on loopback; a number is an HTTP status without a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            given = answer(body)
            self.send_response(given if isinstance(given, int) else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            content = b"" if isinstance(given, int) else given
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
