"""Time-stamp tokens: the request, and believing only what was asked for (RFC 3161).

A token is accepted when its status is granted, its imprint is the digest that was sent, its nonce
comes back, and it is rightly signed by the certificate inside it, which may make time-stamps and
was in force at the time it states. Whether that authority is trusted is the verifier's question.
"""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import ClassVar

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from pdf.errors import TimestampRejected, TimestampUnavailable

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


class _Response(core.Sequence):  # type: ignore[misc]  # asn1crypto has no annotations
    """TimeStampResp, whose token is absent when the server refuses (RFC 3161 section 2.4.2)."""

    _fields: ClassVar = [
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


def new_nonce() -> int:
    """Give a number that no earlier answer can contain."""
    return secrets.randbits(64)


def request_for(digest: bytes, hash_algorithm: str, *, nonce: int) -> bytes:
    """Encode a TimeStampReq that asks for the authority's certificate (RFC 3161 section 2.4.1)."""
    query = tsp.TimeStampReq(
        {
            "version": 1,
            "message_imprint": {
                "hash_algorithm": {"algorithm": hash_algorithm},
                "hashed_message": digest,
            },
            "nonce": nonce,
            "cert_req": True,
        }
    )
    return bytes(query.dump())


def token_from(answer: bytes, *, digest: bytes, hash_algorithm: str, nonce: int | None) -> bytes:
    """Take the token out of a TimeStampResp; raises TimestampRejected or TimestampUnavailable."""
    try:
        response = _Response.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in {"granted", "granted_with_mods"}:
            raise TimestampUnavailable(f"the server refused: {_refusal(response['status'])}")
        token = response["time_stamp_token"]
        check_token(token, digest=digest, hash_algorithm=hash_algorithm, nonce=nonce)
        return bytes(token.dump())
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise TimestampRejected("the answer is not a time-stamp response") from error


def _refusal(status: tsp.PKIStatusInfo) -> str:
    said = status["status_string"].native or []
    failure = status["fail_info"].native or set()
    return ", ".join([status["status"].native, *sorted(failure), *said])[:200]


def check_token(
    token: cms.ContentInfo, *, digest: bytes, hash_algorithm: str, nonce: int | None
) -> None:
    """Raise TimestampRejected unless the token is about this digest, ours, and rightly signed."""
    signed = token["content"]
    content = signed["encap_content_info"]
    if content["content_type"].native != "tst_info":
        raise TimestampRejected("the token holds no time-stamp")
    info: tsp.TSTInfo = content["content"].parsed
    imprint = info["message_imprint"]
    same_hash = imprint["hash_algorithm"]["algorithm"].native == hash_algorithm
    if not same_hash or imprint["hashed_message"].native != digest:
        raise TimestampRejected("the token stamps another digest")
    if nonce is not None and info["nonce"].native != nonce:
        raise TimestampRejected("the token answers another request")
    if len(signed["signer_infos"]) != 1:
        raise TimestampRejected("the token does not have exactly one signer")
    signer = signed["signer_infos"][0]
    certificate = _authority(signed, signer)
    _check_attributes(signer, certificate, bytes(content["content"].contents))
    _check_authority(certificate, info["gen_time"].native)
    key = x509.load_der_x509_certificate(certificate.dump()).public_key()
    _check_signature(key, signer)


def _authority(signed: cms.SignedData, signer: cms.SignerInfo) -> asn1_x509.Certificate:
    identifier = signer["sid"].chosen
    for choice in signed["certificates"]:
        found = choice.chosen
        if not isinstance(found, asn1_x509.Certificate):
            continue
        if isinstance(identifier, cms.IssuerAndSerialNumber):
            if (
                found.issuer == identifier["issuer"]
                and found.serial_number == identifier["serial_number"].native
            ):
                return found
        elif found.key_identifier == identifier.native:
            return found
    raise TimestampRejected("the token does not carry its authority's certificate")


def _check_attributes(
    signer: cms.SignerInfo, certificate: asn1_x509.Certificate, content: bytes
) -> None:
    """Compare the signed attributes with content and certificate (RFC 5652, 5035, 5816)."""
    attributes = {each["type"].native: each["values"] for each in signer["signed_attrs"]}
    hash_name = signer["digest_algorithm"]["algorithm"].native
    if hash_name not in _HASHES:
        raise TimestampRejected(f"the token uses the digest {hash_name}")
    stated = attributes["message_digest"][0].native
    if stated != hashlib.new(hash_name, content).digest():
        raise TimestampRejected("the token's digest is wrong")
    if attributes["content_type"][0].native != "tst_info":
        raise TimestampRejected("the token signs another type of content")
    der = certificate.dump()
    if "signing_certificate_v2" in attributes:
        named = attributes["signing_certificate_v2"][0]["certs"][0]
        name = named["hash_algorithm"]["algorithm"].native
        fits = named["cert_hash"].native == hashlib.new(name, der).digest()
    elif "signing_certificate" in attributes:
        named = attributes["signing_certificate"][0]["certs"][0]
        # RFC 3161 fixed SHA-1 here; it only picks a certificate, the signature is checked below
        fits = named["cert_hash"].native == hashlib.sha1(der, usedforsecurity=False).digest()
    else:
        raise TimestampRejected("the token does not name its authority's certificate")
    if not fits:
        raise TimestampRejected("the token names another certificate than it carries")


def _check_authority(certificate: asn1_x509.Certificate, stamped: datetime) -> None:
    parsed = x509.load_der_x509_certificate(certificate.dump())
    if not parsed.not_valid_before_utc <= stamped.astimezone(UTC) <= parsed.not_valid_after_utc:
        raise TimestampRejected("the authority's certificate was not in force at its own time")
    try:
        usage = parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension):
        usage = None
    if usage is None or ExtendedKeyUsageOID.TIME_STAMPING not in usage:
        raise TimestampRejected("the certificate is not one for time-stamps")


def _check_signature(key: CertificatePublicKeyTypes, signer: cms.SignerInfo) -> None:
    algorithm: algos.SignedDigestAlgorithm = signer["signature_algorithm"]
    # signed is the SET OF, not the implicit [0] that stands in the structure
    signed = core.SetOf.dump(signer["signed_attrs"].untag(), force=True)
    signature = signer["signature"].native
    try:
        name = signer["digest_algorithm"]["algorithm"].native
        if algorithm.signature_algo not in {"rsassa_pkcs1v15", "ed25519"}:
            name = algorithm.hash_algo
        chosen = _HASHES[name]()
        if isinstance(key, rsa.RSAPublicKey):
            scheme: padding.AsymmetricPadding = padding.PKCS1v15()
            if algorithm.signature_algo == "rsassa_pss":
                salt = algorithm["parameters"]["salt_length"].native
                scheme = padding.PSS(mgf=padding.MGF1(chosen), salt_length=salt)
            key.verify(signature, signed, scheme, chosen)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, signed, ec.ECDSA(chosen))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            raise TimestampRejected("the authority's key is of an unknown kind")
    except (InvalidSignature, UnsupportedAlgorithm, KeyError) as error:
        raise TimestampRejected("the token's signature is wrong") from error
