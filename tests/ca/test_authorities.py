import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ca import authorities, crl
from ca.authorities import AuthorityName, AuthorityPlan
from ca.errors import AuthorityNotFound, AuthorityPlanInvalid, AuthorityUnavailable
from ca.models import Authority, AuthorityRole
from ca.tsa import TimeStampAuthority
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key
from tests.ca.hierarchy import root
from tests.ca.house import AT, PUBLIC_URL, House
from tests.ca.linters import certificate_findings
from tests.ca.openssl import openssl, write_pem


def certificate(house: House, slug: str) -> x509.Certificate:
    with house.sessions() as session:
        found = authorities.by_slug(session, slug).certificate
    return x509.load_der_x509_certificate(found)


def count(house: House) -> int:
    with house.sessions() as session:
        return session.scalar(select(func.count()).select_from(Authority)) or 0


def test_the_first_run_makes_a_root_an_issuer_their_responders_and_a_tsa(house: House) -> None:
    with house.sessions() as session:
        rows = session.scalars(select(Authority)).all()
        entries = session.scalars(
            select(AuditEntry.action).where(AuditEntry.action == "authority.establish")
        ).all()
    assert {(row.slug, row.role) for row in rows} == {
        ("root", AuthorityRole.ROOT),
        ("root-ocsp", AuthorityRole.OCSP),
        ("issuing", AuthorityRole.ISSUING),
        ("ocsp", AuthorityRole.OCSP),
        ("tsa", AuthorityRole.TSA),
    }
    assert len(entries) == len(rows)
    assert all(row.public_url == PUBLIC_URL for row in rows)


def test_a_second_run_changes_nothing(house: House) -> None:
    before = certificate(house, "root")
    house.establish()
    assert count(house) == 5
    assert certificate(house, "root") == before


def test_two_processes_at_their_first_start_make_one_set_of_authorities(
    sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path
) -> None:
    houses = [House(sessions, keys, tmp_path / side) for side in ("left", "right")]
    threads = []
    for one in houses:
        one.directory.mkdir()
        threads.append(Thread(target=one.establish))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert count(houses[0]) == 5


def test_openssl_accepts_every_certificate_under_the_root(house: House, tmp_path: Path) -> None:
    with house.sessions() as session:
        rows = {row.slug: row.certificate for row in session.scalars(select(Authority))}
    root = write_pem(tmp_path / "root.pem", rows["root"])
    issuing = write_pem(tmp_path / "issuing.pem", rows["issuing"])
    for slug, purpose in (("tsa", "timestampsign"), ("ocsp", "ocsphelper"), ("root-ocsp", "any")):
        target = write_pem(tmp_path / f"{slug}.pem", rows[slug])
        at = str(int(AT.timestamp()))
        seen = openssl(
            *("verify", "-x509_strict", "-attime", at, "-CAfile", root),
            *("-untrusted", issuing, "-purpose", purpose, target),
        )
        assert seen.returncode == 0, seen.stderr
    refused = openssl("verify", "-CAfile", issuing, tmp_path / "tsa.pem")
    assert refused.returncode != 0


@pytest.mark.parametrize("slug", ["root", "root-ocsp", "issuing", "ocsp", "tsa"])
def test_pkilint_finds_nothing_to_warn_about(house: House, tmp_path: Path, slug: str) -> None:
    file = tmp_path / "certificate.der"
    file.write_bytes(certificate(house, slug).public_bytes(Encoding.DER))
    assert not certificate_findings(file)


def test_the_linter_would_say_so_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "certificate.der"
    file.write_bytes(root().issue("Không có định danh khóa").der)
    assert "authority_key_identifier_extension_absent" in certificate_findings(file)


def test_addresses_in_certificates_are_on_this_server(house: House) -> None:
    found = certificate(house, "tsa").extensions
    access = found.get_extension_for_class(x509.AuthorityInformationAccess).value
    by_method = {one.access_method: one.access_location.value for one in access}
    assert by_method == {
        AuthorityInformationAccessOID.OCSP: f"{PUBLIC_URL}/ocsp",
        AuthorityInformationAccessOID.CA_ISSUERS: f"{PUBLIC_URL}/pki/issuing.cer",
    }
    points = found.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name == [x509.UniformResourceIdentifier(f"{PUBLIC_URL}/pki/issuing.crl")]


def test_the_tsa_has_one_purpose_and_it_is_critical(house: House) -> None:
    usage = certificate(house, "tsa").extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def test_the_responder_need_not_be_checked_itself(house: House) -> None:
    found = certificate(house, "ocsp").extensions
    assert found.get_extension_for_class(x509.OCSPNoCheck)
    usage = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.OCSP_SIGNING]


def test_names_are_those_of_the_plan(
    sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path
) -> None:
    house = House(sessions, keys, tmp_path)
    who = AuthorityName(
        organization="Sở Thông tin và Truyền thông",
        organizational_unit="Trung tâm Công nghệ thông tin",
        locality="Đồng Xoài",
        organization_identifier="VATVN-3800100000",
    )
    plan = AuthorityPlan(public_url=PUBLIC_URL, make_key=house.make_key, name=who)
    plan = replace(plan, root=replace(plan.root, algorithm=KeyAlgorithm.RSA_3072))
    with sessions.begin() as session:
        authorities.establish(session, keys=keys, plan=plan, at=AT, actor="setup")
    subject = certificate(house, "issuing").subject
    values = [attribute.value for attribute in subject]
    assert values[:3] == ["VN", "Đồng Xoài", "Sở Thông tin và Truyền thông"]
    identifier = subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)
    assert identifier[0].value == "VATVN-3800100000"
    assert certificate(house, "root").public_key().key_size == 3072  # type: ignore[union-attr]


LONG = "Tổ chức cung cấp dịch vụ chứng thực chữ ký số tỉnh Bình Phước"
"""61 characters, 86 octets of UTF-8."""


def test_an_authority_has_a_name_of_more_octets_than_64(
    sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path
) -> None:
    house = House(sessions, keys, tmp_path)
    plan = AuthorityPlan(public_url=PUBLIC_URL, make_key=house.make_key)
    plan = replace(
        plan,
        root=replace(plan.root, common_name=f"{LONG} G1"),
        issuing=replace(plan.issuing, common_name=LONG),
    )
    with sessions.begin() as session:
        authorities.establish(session, keys=keys, plan=plan, at=AT, actor="setup")
    with sessions() as session:
        made = {slug: authorities.by_slug(session, slug) for slug in ("root", "issuing", "tsa")}
        assert made["issuing"].common_name == LONG
        published = crl.latest(session, made["issuing"]).der
        token = TimeStampAuthority(authorities.signer(made["tsa"], keys=keys))
        imprint = token.token(hashlib.sha256(b"x").digest(), "sha256", at=AT)
    pem = {slug: write_pem(tmp_path / f"{slug}.pem", made[slug].certificate) for slug in made}
    listed = tmp_path / "issuing.crl"
    listed.write_bytes(published)
    (tmp_path / "token").write_bytes(imprint)
    (tmp_path / "data").write_bytes(b"x")
    at = ("-attime", str(int(AT.timestamp()) + 1))
    path = ("-CAfile", pem["root"], "-untrusted", pem["issuing"])
    for seen in (
        openssl("verify", "-x509_strict", *at, *path, pem["tsa"]),
        openssl("crl", "-inform", "DER", "-in", listed, "-CAfile", pem["issuing"], "-noout"),
        openssl(
            *("ts", "-verify", "-token_in", "-in", tmp_path / "token", "-data", tmp_path / "data"),
            *(*at, *path),
        ),
    ):
        assert seen.returncode == 0, seen.stdout + seen.stderr


MISTAKES: dict[str, Callable[[AuthorityPlan], AuthorityPlan]] = {
    "not http": lambda plan: replace(plan, public_url="ftp://x"),
    "slash at the end": lambda plan: replace(plan, public_url="http://x/"),
    "one slug twice": lambda plan: replace(plan, tsa=replace(plan.tsa, slug="ocsp")),
    "slug with a slash": lambda plan: replace(plan, tsa=replace(plan.tsa, slug="../tsa")),
    "name too long": lambda plan: replace(plan, root=replace(plan.root, common_name="Ủ" * 65)),
    "no country": lambda plan: replace(plan, name=AuthorityName(country="Việt Nam")),
    "no life": lambda plan: replace(plan, tsa=replace(plan.tsa, lifetime=timedelta())),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_plan_that_contradicts_itself_is_refused(
    sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path, mistake: str
) -> None:
    house = House(sessions, keys, tmp_path)
    plan = MISTAKES[mistake](AuthorityPlan(public_url=PUBLIC_URL, make_key=house.make_key))
    with sessions() as session, pytest.raises(AuthorityPlanInvalid):
        authorities.establish(session, keys=keys, plan=plan, at=AT, actor="setup")


def test_the_chain_goes_up_to_the_root(house: House) -> None:
    with house.sessions() as session:
        tsa = authorities.by_slug(session, "tsa")
        chain = authorities.certificate_chain(session, tsa)
        expected = [
            authorities.by_slug(session, slug).certificate for slug in ("tsa", "issuing", "root")
        ]
    assert chain == expected


def test_each_ca_has_published_its_first_crl(house: House) -> None:
    with house.sessions() as session:
        for slug in ("root", "issuing"):
            assert crl.latest(session, authorities.by_slug(session, slug)).number == 1


def test_an_unknown_authority_is_named(house: House) -> None:
    with house.sessions() as session, pytest.raises(AuthorityNotFound, match="nobody"):
        authorities.by_slug(session, "nobody")


def test_a_key_that_is_not_the_certificates_is_refused(house: House) -> None:
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        issuing.key_uri = authorities.by_slug(session, "ocsp").key_uri
        with pytest.raises(AuthorityUnavailable, match="not the one of its certificate"):
            authorities.signer(issuing, keys=house.keys)


def test_a_key_that_is_gone_makes_the_authority_unavailable(house: House) -> None:
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        issuing.key_uri = issuing.key_uri.replace("issuing.pem", "gone.pem")
        with pytest.raises(AuthorityUnavailable):
            authorities.signer(issuing, keys=house.keys)


def test_nothing_outlives_its_issuer(
    sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path
) -> None:
    house = House(sessions, keys, tmp_path)
    plan = AuthorityPlan(public_url=PUBLIC_URL, make_key=house.make_key)
    plan = replace(plan, issuing=replace(plan.issuing, lifetime=timedelta(days=40)))
    with sessions.begin() as session:
        authorities.establish(session, keys=keys, plan=plan, at=AT, actor="setup")
    ends = [certificate(house, slug).not_valid_after_utc for slug in ("issuing", "ocsp", "tsa")]
    assert ends == [AT + timedelta(days=40)] * 3


@pytest.mark.token
@pytest.mark.parametrize("algorithm", [KeyAlgorithm.P_256, KeyAlgorithm.RSA_2048])
def test_authorities_on_a_token_sign_everything_there(
    sessions: sessionmaker[Session],
    softhsm_token: SoftHSMToken,
    key_store: KeyStore,
    tmp_path: Path,
    algorithm: KeyAlgorithm,
) -> None:
    def make_key(label: str, algorithm: KeyAlgorithm) -> KeyURI:
        return generate_key(key_store, softhsm_token.uri, label=label, algorithm=algorithm)

    plan = AuthorityPlan(public_url=PUBLIC_URL, make_key=make_key)
    specs = {
        name: replace(getattr(plan, name), algorithm=algorithm)
        for name in ("issuing", "ocsp", "tsa", "root_ocsp")
    }
    plan = replace(plan, **specs)
    with sessions.begin() as session:
        authorities.establish(session, keys=key_store, plan=plan, at=AT, actor="setup")
    with sessions() as session:
        issuing = authorities.issuing(session)
        (tmp_path / "list.crl").write_bytes(crl.latest(session, issuing).der)
        chain = authorities.certificate_chain(session, authorities.time_stamping(session))
    issuer = write_pem(tmp_path / "issuing.pem", chain[1])
    listed = openssl(
        *("crl", "-inform", "DER", "-in", tmp_path / "list.crl", "-noout", "-CAfile", issuer)
    )
    assert "verify OK" in listed.stderr
    seen = openssl(
        *("verify", "-attime", str(int(AT.timestamp())), "-purpose", "timestampsign"),
        *("-CAfile", write_pem(tmp_path / "root.pem", chain[2]), "-untrusted", issuer),
        write_pem(tmp_path / "tsa.pem", chain[0]),
    )
    assert seen.returncode == 0, seen.stderr
