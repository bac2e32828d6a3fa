"""A PIV smart card in software: what an official's USB token does with each command it is sent.

Commands and data are those of NIST SP 800-73-4 part 2 (section 3) as far as a signing client uses
them: SELECT, GET DATA, PUT DATA, VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER, GENERATE
ASYMMETRIC KEY PAIR and GENERAL AUTHENTICATE, with command chaining and GET RESPONSE.

Key 9A signs after one PIN, key 9C wants the PIN before every signature. Three wrong PINs lock the
card, its PUK unlocks it. The card knows nothing of readers: see `tests.tokens.piv_reader`.
"""

import secrets
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

APPLICATION: Final = bytes.fromhex("A00000030800001000")
AUTHENTICATION: Final = 0x9A
SIGNATURE: Final = 0x9C
TRIES: Final = 3

OK: Final = 0x9000
NOT_FOUND: Final = 0x6A82
NO_REFERENCE: Final = 0x6A88
NOT_ALLOWED: Final = 0x6982
LOCKED: Final = 0x6983
NOT_SELECTED: Final = 0x6985
UNKNOWN_COMMAND: Final = 0x6D00
TRIES_LEFT: Final = 0x63C0

CARDHOLDER: Final = "5fc102"
DISCOVERY: Final = "7e"
CERTIFICATES: Final = {AUTHENTICATION: "5fc105", SIGNATURE: "5fc10a"}
ALGORITHMS: Final = {0x07: 2048, 0x05: 3072, 0x11: ec.SECP256R1(), 0x14: ec.SECP384R1()}

CardKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Answer = bytes | int


def tlv(tag: str, value: bytes) -> bytes:
    """Encode one BER-TLV."""
    size = len(value)
    if size < 0x80:
        length = bytes([size])
    else:
        length = b"\x81" + bytes([size]) if size < 0x100 else b"\x82" + struct.pack(">H", size)
    return bytes.fromhex(tag) + length + value


def parsed(data: bytes) -> dict[int, bytes]:
    """Read the BER-TLVs of one level."""
    found, at = {}, 0
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            tag, at = tag << 8 | data[at], at + 1
        size = data[at]
        at += 1
        if size & 0x80:
            wide = size & 0x7F
            size, at = int.from_bytes(data[at : at + wide], "big"), at + wide
        found[tag] = data[at : at + size]
        at += size
    return found


@dataclass
class Reference:
    """A PIN or PUK with its retry counter."""

    value: str
    left: int = TRIES

    def try_(self, value: bytes) -> int:
        """Compare, and count."""
        if not self.left:
            return LOCKED
        if value.rstrip(b"\xff").decode("latin1") != self.value:
            self.left -= 1
            return TRIES_LEFT | self.left
        self.left = TRIES
        return OK


@dataclass
class PivCard:
    """The card: keys, certificates, PIN and PUK. *delay* is what a signature takes, in seconds."""

    pin: Reference = field(default_factory=lambda: Reference("123456"))
    puk: Reference = field(default_factory=lambda: Reference("12345678"))
    keys: dict[int, CardKey] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    delay: float = 0.0
    signatures: int = 0
    tries: int = 0
    """How often a PIN was shown to the card, right or wrong."""

    def __post_init__(self) -> None:
        cardholder = (
            tlv("30", secrets.token_bytes(25))
            + tlv("34", secrets.token_bytes(16))
            + tlv("35", b"20351231")
            + tlv("3E", b"")
            + tlv("FE", b"")
        )
        self.objects[CARDHOLDER] = cardholder
        self.objects[DISCOVERY] = tlv("4F", APPLICATION + b"\x01\x00") + tlv("5F2F", b"\x40\x00")
        self.power_on()

    @classmethod
    def personalised(cls, name: str) -> "PivCard":
        """Make a card as an official gets it: RSA-2048 in 9A, P-256 in 9C, with certificates."""
        card = cls()
        card.put_key(AUTHENTICATION, rsa.generate_private_key(65537, 2048), name)
        card.put_key(SIGNATURE, ec.generate_private_key(ec.SECP256R1()), name)
        return card

    def put_key(self, slot: int, key: CardKey, name: str) -> None:
        """Put a key and a certificate of its own about it into a slot."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(key, hashes.SHA256())
        )
        der = certificate.public_bytes(Encoding.DER)
        self.keys[slot] = key
        self.objects[CERTIFICATES[slot]] = tlv("70", der) + tlv("71", b"\0") + tlv("FE", b"")

    def power_on(self) -> None:
        """Forget what does not outlive a reset."""
        self._selected = self._verified = self._just_verified = self._administrator = False
        self._chain = self._rest = b""

    def answer(self, command: bytes) -> bytes:
        """Answer one command APDU (ISO/IEC 7816-4) with a response APDU."""
        head, instruction = command[0], command[1]
        data = _data_of(command)
        if instruction == 0xC0:
            return self._sent(self._rest)
        if head & 0x10:
            self._chain += data
            return struct.pack(">H", OK)
        data, self._chain = self._chain + data, b""
        handler = self._handlers().get(instruction)
        if handler is None:
            return struct.pack(">H", UNKNOWN_COMMAND)
        if instruction != 0xA4 and not self._selected:
            return struct.pack(">H", NOT_SELECTED)
        result = handler(command[3], data)
        return struct.pack(">H", result) if isinstance(result, int) else self._sent(result)

    def _handlers(self) -> Mapping[int, Callable[[int, bytes], Answer]]:
        return {
            0xA4: self._select,
            0x20: self._verify,
            0x24: self._change_reference,
            0x2C: self._reset_retry_counter,
            0xCB: self._get_data,
            0x87: self._general_authenticate,
        }

    def _sent(self, response: bytes) -> bytes:
        part, self._rest = response[:256], response[256:]
        if not self._rest:
            return part + struct.pack(">H", OK)
        return part + bytes([0x61, len(self._rest) if len(self._rest) < 256 else 0])

    def _select(self, _: int, data: bytes) -> Answer:
        if not data or not (APPLICATION.startswith(data) or data.startswith(APPLICATION[:5])):
            return NOT_FOUND
        self._selected, self._verified = True, False
        name = tlv("4F", APPLICATION[5:] + b"\x01\x00") + tlv("79", tlv("4F", APPLICATION[:5]))
        return tlv("61", name + tlv("50", b"PIV of the tests"))

    def _verify(self, _: int, data: bytes) -> Answer:
        if not data:  # a question for the state, no try
            if self._verified:
                return OK
            return TRIES_LEFT | self.pin.left if self.pin.left else LOCKED
        self.tries += 1
        result = self.pin.try_(data)
        self._verified = self._just_verified = result == OK
        return result

    def _change_reference(self, reference: int, data: bytes) -> Answer:
        which = self.puk if reference == 0x81 else self.pin
        result = which.try_(data[:8])
        if result == OK:
            which.value = data[8:].rstrip(b"\xff").decode("latin1")
        return result

    def _reset_retry_counter(self, _: int, data: bytes) -> Answer:
        result = self.puk.try_(data[:8])
        if result == OK:
            self.pin.value = data[8:].rstrip(b"\xff").decode("latin1")
            self.pin.left = TRIES
        return result

    def _get_data(self, _: int, data: bytes) -> Answer:
        name = parsed(data)[0x5C].hex()
        if name not in self.objects:
            return NOT_FOUND
        return tlv("7E" if name == DISCOVERY else "53", self.objects[name])

    def _general_authenticate(self, slot: int, data: bytes) -> Answer:
        block = parsed(parsed(data)[0x7C]).get(0x81)
        key = self.keys.get(slot)
        if key is None or block is None:
            return NO_REFERENCE
        if not self._verified or (slot == SIGNATURE and not self._just_verified):
            return NOT_ALLOWED
        self._just_verified = False
        time.sleep(self.delay)
        self.signatures += 1
        return tlv("7C", tlv("82", _raw_signature(key, block)))

    def public_key_der(self, slot: int) -> bytes:
        """Give the SubjectPublicKeyInfo of a slot's key."""
        return (
            self.keys[slot]
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )


def _data_of(command: bytes) -> bytes:
    body = command[4:]
    if len(body) <= 1:
        return b""
    if body[0] == 0 and len(body) > 3:  # extended length
        return body[3 : 3 + int.from_bytes(body[1:3], "big")]
    return body[1 : 1 + body[0]]


def _raw_signature(key: CardKey, block: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        message = int.from_bytes(block, "big")
        # Chinese remainders: five times quicker than one power of the whole modulus.
        of_p = pow(message, numbers.dmp1, numbers.p)
        of_q = pow(message, numbers.dmq1, numbers.q)
        result = of_q + (numbers.iqmp * (of_p - of_q) % numbers.p) * numbers.q
        return result.to_bytes(key.key_size // 8, "big")
    known = {20: hashes.SHA1(), 32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}  # noqa: S303 - the client's choice
    return key.sign(block, ec.ECDSA(Prehashed(known[len(block)])))
