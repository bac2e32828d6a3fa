"""Whatever the registry gives out, judged by programs of others: gnutls, openssl and pkilint.

gnutls judges by the machine's clock, so what it looks at is made now.
"""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp

from ca import authorities, crl, ocsp, revoke
from ca.models import Certificate
from ca.profiles import BUILT_IN, EtsiType
from ca.revocation_reasons import RevocationReason
from tests.ca.gnutls import certtool, ocsptool
from tests.ca.house import CHIEF, House
from tests.ca.linters import certificate_findings, crl_findings, etsi_findings, ocsp_findings
from tests.ca.openssl import openssl, write_pem
from tests.ca.test_ocsp import issuing_certificate, load

NOW = (datetime.now(UTC) - timedelta(minutes=10)).replace(microsecond=0)
BUILT_IN_NAMES = [profile.name for profile in BUILT_IN]


def issued(house: House, profile: str) -> Certificate:
    if profile == "organizational":
        return house.issue(house.approved(house.agency(), profile=profile), at=NOW)
    details = {"device_id": house.sim().id} if profile == "sim" else {}
    return house.issue(house.approved(house.person(), profile=profile, **details), at=NOW)


def end(house: House, certificate: Certificate) -> None:
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=NOW,
            keys=house.keys,
            at=NOW + timedelta(minutes=1),
            actor=CHIEF,
        )


def hold(house: House, certificate: Certificate) -> None:
    with house.sessions.begin() as session:
        revoke.suspend(
            session,
            certificate_id=certificate.id,
            keys=house.keys,
            at=NOW + timedelta(minutes=1),
            actor=CHIEF,
        )


def give_up(house: House, certificate: Certificate) -> None:
    with house.sessions.begin() as session:
        session.connection().exec_driver_sql(
            "UPDATE certificates SET status = 'abandoned' WHERE id = %s", (certificate.id,)
        )


def pem(der: bytes) -> bytes:
    return load(der).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("profile", BUILT_IN_NAMES)
def test_a_certificate_of_every_profile_is_accepted_until_it_is_revoked(
    house: House, tmp_path: Path, profile: str
) -> None:
    certificate = issued(house, profile)
    file = tmp_path / "certificate.der"
    file.write_bytes(certificate.der or b"")
    kinds = {one.name: one.etsi_type for one in BUILT_IN}
    person = kinds[profile] is EtsiType.NATURAL_PERSON
    assert not certificate_findings(file)
    assert not etsi_findings(file, "NCP-NATURAL-PERSON" if person else "NCP-LEGAL-PERSON")
    assert etsi_findings(file, "NCP-LEGAL-PERSON" if person else "NCP-NATURAL-PERSON")

    above = [issuing_certificate(house, slug) for slug in ("issuing", "root")]
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        pem(certificate.der or b"") + b"".join(one.public_bytes(Encoding.PEM) for one in above)
    )
    assert certtool("--verify-chain", "--infile", chain).returncode == 0
    root = write_pem(tmp_path / "trusted.pem", above[1].public_bytes(Encoding.DER))
    middle = write_pem(tmp_path / "middle.pem", above[0].public_bytes(Encoding.DER))
    checked = openssl("verify", "-x509_strict", "-CAfile", root, "-untrusted", middle, chain)
    assert checked.returncode == 0, checked.stderr

    end(house, certificate)
    with house.sessions.begin() as session:
        issuing = authorities.by_slug(session, "issuing")
        made = crl.publish(session, authority=issuing, keys=house.keys, at=NOW)
    listed = tmp_path / "list.pem"
    listed.write_bytes(x509.load_der_x509_crl(made.der).public_bytes(Encoding.PEM))
    seen = certtool(
        *("--verify", "--infile", chain, "--load-ca-certificate", root, "--load-crl", listed)
    )
    assert "revoked" in seen.stdout
    assert seen.returncode != 0


@pytest.mark.parametrize("slug", ["root", "root-ocsp", "issuing", "ocsp", "tsa"])
def test_gnutls_follows_every_authority_up_to_the_root(
    house: House, tmp_path: Path, slug: str
) -> None:
    with house.sessions() as session:
        one = authorities.by_slug(session, slug)
        above = authorities.certificate_chain(session, one)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(b"".join(map(pem, above)))
    seen = certtool("--verify-chain", "--infile", chain)
    assert seen.returncode == 0, seen.stdout + seen.stderr


@pytest.mark.parametrize("slug", ["root", "issuing"])
def test_the_first_and_empty_list_of_every_ca_is_accepted(
    house: House, tmp_path: Path, slug: str
) -> None:
    with house.sessions.begin() as session:
        one = authorities.by_slug(session, slug)
        made = crl.publish(session, authority=one, keys=house.keys, at=NOW)
        issuer = write_pem(tmp_path / "issuer.pem", one.certificate)
    file, text = tmp_path / "list.crl", tmp_path / "list.pem"
    file.write_bytes(made.der)
    text.write_bytes(x509.load_der_x509_crl(made.der).public_bytes(Encoding.PEM))
    assert not crl_findings(file)
    seen = certtool("--verify-crl", "--infile", text, "--load-ca-certificate", issuer)
    assert seen.returncode == 0, seen.stdout + seen.stderr


Change = Callable[[House, Certificate], None]
OUR_STATUSES: dict[str, tuple[Change | None, str]] = {
    "good": (None, "good"),
    "revoked": (end, "revoked"),
    "suspended": (hold, "revoked"),
    "abandoned": (give_up, "revoked"),
}
NONCES = [None, b"\x01" * 16, b"\x01" * 32]


@pytest.mark.parametrize("nonce", NONCES, ids=["plain", "nonce-16", "nonce-32"])
@pytest.mark.parametrize("status", OUR_STATUSES)
def test_every_ocsp_answer_about_a_certificate_is_accepted(
    house: House, tmp_path: Path, status: str, nonce: bytes | None
) -> None:
    certificate = issued(house, "personal")
    change, word = OUR_STATUSES[status]
    if change is not None:
        change(house, certificate)
    issuer = issuing_certificate(house)
    builder = x509_ocsp.OCSPRequestBuilder()
    builder = builder.add_certificate(load(certificate.der), issuer, hashes.SHA1())  # noqa: S303 -- as clients ask
    accepted(house, tmp_path, _with(builder, nonce), above=["issuing", "root"], words=[word])


@pytest.mark.parametrize("nonce", NONCES[:2], ids=["plain", "nonce-16"])
def test_the_answer_that_a_serial_number_is_unknown_is_accepted(
    house: House, tmp_path: Path, nonce: bytes | None
) -> None:
    issuer = issuing_certificate(house)
    sibling = load(issued(house, "personal").der)
    builder = x509_ocsp.OCSPRequestBuilder().add_certificate(sibling, issuer, hashes.SHA256())
    known = builder.build()
    builder = x509_ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        known.issuer_name_hash,
        known.issuer_key_hash,
        int.from_bytes(os.urandom(19)),
        hashes.SHA256(),
    )
    accepted(house, tmp_path, _with(builder, nonce), above=["issuing", "root"], words=["unknown"])


def test_the_roots_answer_about_the_issuing_ca_is_accepted(house: House, tmp_path: Path) -> None:
    root = issuing_certificate(house, "root")
    builder = x509_ocsp.OCSPRequestBuilder()
    builder = builder.add_certificate(issuing_certificate(house), root, hashes.SHA256())
    accepted(house, tmp_path, _with(builder, None), above=["root"], words=["good"])


def _with(builder: x509_ocsp.OCSPRequestBuilder, nonce: bytes | None) -> bytes:
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def accepted(
    house: House, folder: Path, request: bytes, *, above: Sequence[str], words: Sequence[str]
) -> None:
    """gnutls, openssl and the linter take the answer; gnutls and openssl refuse its twin."""
    asked, file = folder / "asked.der", folder / "answer.der"
    asked.write_bytes(request)
    with house.sessions() as session:
        answer = ocsp.answer(session, request, keys=house.keys, at=NOW + timedelta(minutes=5))
    file.write_bytes(answer)
    trusted = folder / "above.pem"
    chain = [issuing_certificate(house, slug).public_bytes(Encoding.PEM) for slug in above]
    trusted.write_bytes(b"".join(chain))
    by_gnutls = ("--verify-response", "--inder", "--infile", file, "--load-trust", trusted)
    seen = ocsptool(*by_gnutls)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "Success" in seen.stdout
    shown = ocsptool("--response-info", "--inder", "--infile", file).stdout
    for word in words:
        assert f"Certificate Status: {word}" in shown
    by_openssl = ("ocsp", "-respin", file, "-reqin", asked, "-CAfile", trusted, "-no_nonce")
    assert "Response verify OK" in openssl(*by_openssl).stderr
    assert not ocsp_findings(file)
    twin = bytearray(answer)
    produced = answer.index(b"\x18\x0f") + 2  # the first time in it is producedAt
    twin[produced + 12] ^= 1
    file.write_bytes(twin)
    assert ocsptool(*by_gnutls).returncode != 0 or "Success" not in ocsptool(*by_gnutls).stdout
    assert "Response verify OK" not in openssl(*by_openssl).stderr
