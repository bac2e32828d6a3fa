"""What our layer over PKCS#11 costs: signatures beside the module driven raw in the same process.

Raw means: one open, logged-in session per thread, the key's handle at hand, nothing but the
module's call through the same binding. Our layer adds the hash, the pool and the check of every
signature with the public key. That check alone takes longer than SoftHSM's whole P-256 signature,
so P-256 is shown twice: beside the bare call, and beside the bare call with that same check.

Rounds of the two sides alternate, and the best round of each is compared: the one that other work
on the machine disturbed least. Scaling over two threads needs two cores that are free meanwhile.

Slow tokens are SoftHSM with a pause before each of its signatures, in the place of the module's own
call: the pool, the threads and the checks are the real ones, the waiting is not the token's.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from pkcs11.constants import Attribute
from pkcs11.mechanisms import Mechanism

from hsm import sessions
from hsm.algorithms import KeyAlgorithm, PrivateKey, default_for, sign
from hsm.key_uri import KeyURI
from hsm.objects import KeyReference, SigningHandle, find_key
from hsm.providers import KeyStore
from hsm.tokens import generate_key
from tests.bench.row import Row
from tests.tokens import new_token, store_for

ROUNDS = 9
COUNTS = {KeyAlgorithm.RSA_2048: 300, KeyAlgorithm.P_256: 1500}
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SHA256 = ec.ECDSA(Prehashed(hashes.SHA256()))

Sign = Callable[[bytes], object]


class Subject:
    """One key on a token, and the ways to sign with it."""

    def __init__(self, store: KeyStore, token: KeyURI, algorithm: KeyAlgorithm) -> None:
        self.uri = generate_key(store, token, label=algorithm, algorithm=algorithm)
        self.key: PrivateKey = store.open(self.uri)
        self.count = COUNTS[algorithm]
        self._sessions = store.token(token)

    def ours(self) -> Sign:
        """Sign as every caller does."""
        key, algorithm = self.key, default_for(self.key.public_key())
        return lambda data: sign(key, algorithm, data)

    def raw(self) -> Sign:
        """Call the module on a session of its own, with a digest that is ready."""
        handle = self._handle()
        digest = hashlib.sha256(b"data").digest()
        if isinstance(self.key, rsa.RSAPrivateKey):
            block, mechanism = DIGEST_INFO + digest, Mechanism.RSA_PKCS
        else:
            block, mechanism = digest, Mechanism.ECDSA
        return lambda _: handle.sign(block, mechanism=mechanism, mechanism_param=None, pin=None)

    def raw_checked(self) -> Sign:
        """Call the module, and verify what it gave with the public key. P-256."""
        handle, public = self._handle(), self.key.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)

        def signed(data: bytes) -> None:
            digest = hashlib.sha256(data).digest()
            raw = handle.sign(digest, mechanism=Mechanism.ECDSA, mechanism_param=None, pin=None)
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            public.verify(encode_dss_signature(r, s), digest, SHA256)

        return signed

    def _handle(self) -> SigningHandle:
        session = self._sessions.login.token().open()
        return find_key(session, KeyReference(self.uri.id, None))


def rate(signers: Sequence[Sign], count: int) -> float:
    """Signatures per second of wall time, *count* by each signer in a thread of its own."""
    start = threading.Barrier(len(signers) + 1)

    def work(signer: Sign) -> None:
        start.wait()
        for number in range(count):
            signer(b"%d" % number)

    with ThreadPoolExecutor(len(signers)) as pool:
        running = [pool.submit(work, signer) for signer in signers]
        start.wait()
        began = time.perf_counter()
        for future in running:
            future.result()
    return len(signers) * count / (time.perf_counter() - began)


def compared(one: Sequence[Sign], other: Sequence[Sign], count: int) -> tuple[float, float]:
    """Best rates of two sides whose rounds alternate."""
    rates: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS):
        sides = ((one, rates[0]), (other, rates[1]))
        for signers, into in sides if number % 2 else reversed(sides):
            into.append(rate(signers, count))
    return max(rates[0]), max(rates[1])


def row(
    name: str,
    rates: tuple[float, float],
    *,
    reference: str,
    goal: float | None,
) -> Row:
    """Put the two rates into a row."""
    return Row(
        name=name,
        value=rates[0],
        unit="per_s",
        reference_name=reference,
        reference_value=rates[1],
        goal=goal,
    )


class SlowHandle:
    """A private key's handle that takes its time."""

    def __init__(self, handle: SigningHandle, seconds: float) -> None:
        self._handle = handle
        self._seconds = seconds

    def __getitem__(self, attribute: Attribute) -> object:
        """Read an attribute, at once."""
        return self._handle[attribute]

    def sign(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: object, pin: str | None
    ) -> bytes:
        """Wait, then sign."""
        time.sleep(self._seconds)
        return self._handle.sign(
            data, mechanism=mechanism, mechanism_param=mechanism_param, pin=pin
        )


def slow(seconds: float, clients: int) -> Row:
    """Measure many clients on a token that takes *seconds* for each signature."""

    def slow_key(session: pkcs11.Session, reference: KeyReference) -> SigningHandle:
        return SlowHandle(find_key(session, reference), seconds)

    token = new_token("slow")
    count = max(5, round(1.5 / seconds))
    with store_for(token) as store, mock.patch.object(sessions, "find_key", slow_key):
        ours = Subject(store, token.uri, KeyAlgorithm.P_256).ours()
        for _ in range(3):
            ours(b"the pool learns how slow the token is")
        best = max(rate([ours] * clients, count) for _ in range(3))
    return Row(
        name=f"hsm.slow.{seconds * 1000:g}ms.{clients}-sessions",
        value=best,
        unit="per_s",
        reference_name="sessions / latency",
        reference_value=clients / seconds,
        goal=0.9,
    )


def rows() -> Iterable[Row]:
    """Measure RSA-2048 and P-256 with one thread and with two, and slow tokens."""
    yield from fast_rows()
    for seconds, clients in ((0.010, 1), (0.010, 8), (0.010, 32), (0.100, 8), (0.100, 64)):
        yield slow(seconds, clients)


def fast_rows() -> Iterable[Row]:
    """Measure RSA-2048 and P-256 with one thread and with two."""
    token = new_token("bench")
    with store_for(token) as store:
        rsa_key = Subject(store, token.uri, KeyAlgorithm.RSA_2048)
        ec_key = Subject(store, token.uri, KeyAlgorithm.P_256)
        for name, subject in (("rsa-2048", rsa_key), ("p-256", ec_key)):
            yield row(
                f"hsm.sign.{name}.1-thread",
                compared([subject.ours()], [subject.raw()], subject.count),
                reference="the module's call alone",
                goal=0.9,
            )
        yield row(
            "hsm.sign.p-256.1-thread.checked",
            compared([ec_key.ours()], [ec_key.raw_checked()], ec_key.count),
            reference="the module's call and the same check",
            goal=0.9,
        )
        for name, subject in (("rsa-2048", rsa_key), ("p-256", ec_key)):
            yield row(
                f"hsm.sign.{name}.2-threads",
                compared([subject.ours()] * 2, [subject.raw(), subject.raw()], subject.count),
                reference="the module's call alone, 2 threads",
                goal=0.9 if subject is rsa_key else None,
            )
        yield row(
            "hsm.sign.rsa-2048.scaling",
            compared([rsa_key.ours()] * 2, [rsa_key.ours()], rsa_key.count),
            reference="one thread of ours",
            goal=1.7,
        )
