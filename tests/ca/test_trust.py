import uuid
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy import select

from ca import anchor_files, authorities, trust
from ca.errors import AnchorUnreadable, TrustAnchorNotFound, TrustAnchorTaken
from db.models import AuditEntry
from tests.ca.hierarchy import Entity, root
from tests.ca.house import AT, CHIEF, House


def add(house: House, certificate: bytes) -> uuid.UUID:
    with house.sessions.begin() as session:
        return trust.add_anchor(session, certificate, at=AT, actor=CHIEF).id


def anchors(house: House) -> list[bytes]:
    with house.sessions() as session:
        return trust.anchors(session)


def test_our_own_root_is_the_first_anchor_and_added_ones_follow(house: House) -> None:
    with house.sessions() as session:
        own = authorities.by_slug(session, "root").certificate
    stranger = root("Ban Cơ yếu Chính phủ")
    add(house, stranger.cert.public_bytes(Encoding.PEM))
    assert anchors(house) == [own, stranger.der]


def test_adding_and_removing_is_audited(house: House) -> None:
    anchor = add(house, root().der)
    with house.sessions.begin() as session:
        trust.remove_anchor(session, anchor, at=AT, actor=CHIEF)
    with house.sessions() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.object_type == "trust_anchor")
        ).all()
        assert trust.list_anchors(session) == []
    told = {entry.action: (entry.before, entry.after) for entry in entries}
    facts = told["trust_anchor.add"][1]
    assert told == {"trust_anchor.add": (None, facts), "trust_anchor.remove": (facts, None)}
    assert facts
    assert len(facts["sha256_fingerprint"]) == 64


def test_the_same_anchor_is_not_added_twice(house: House) -> None:
    stranger = root()
    add(house, stranger.der)
    with pytest.raises(TrustAnchorTaken):
        add(house, stranger.der)


def test_removing_what_is_not_there_is_said(house: House) -> None:
    with house.sessions() as session, pytest.raises(TrustAnchorNotFound):
        trust.remove_anchor(session, uuid.uuid4(), at=AT, actor=CHIEF)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"-----BEGIN CERTIFICATE-----\n-----END"])
def test_rejects_what_is_no_certificate_as_an_anchor(house: House, data: bytes) -> None:
    with pytest.raises(AnchorUnreadable):
        add(house, data)


def test_rejects_a_subscribers_certificate_as_an_anchor(house: House) -> None:
    with pytest.raises(AnchorUnreadable, match="not the certificate of a CA"):
        add(house, root().issue("Nguyễn Văn A").der)


def test_our_issuing_ca_is_offered_for_documents_that_leave_it_out(house: House) -> None:
    with house.sessions() as session:
        expected = authorities.issuing(session).certificate
        assert trust.own_intermediates(session) == [expected]


@pytest.fixture
def three() -> list[Entity]:
    return [root(f"Gốc {number}") for number in range(3)]


def test_anchors_are_read_from_pem_der_p7b_and_folders(tmp_path: Path, three: list[Entity]) -> None:
    expected = [one.der for one in three]
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"".join(one.cert.public_bytes(Encoding.PEM) for one in three))
    assert anchor_files.load_pem_anchors([bundle]) == expected
    single = tmp_path / "one.der"
    single.write_bytes(three[0].der)
    assert anchor_files.load_pem_anchors([single]) == expected[:1]
    collection = tmp_path / "all.p7b"
    for encoding in (Encoding.DER, Encoding.PEM):
        made = pkcs7.serialize_certificates([one.cert for one in three], encoding)
        collection.write_bytes(made)
        assert sorted(anchor_files.load_pem_anchors([collection])) == sorted(expected)
    (tmp_path / "README.txt").write_text("not a certificate")
    assert sorted(anchor_files.load_pem_anchors([tmp_path])) == sorted(expected)


def test_comments_around_pem_do_not_matter(tmp_path: Path, three: list[Entity]) -> None:
    file = tmp_path / "roots.pem"
    file.write_bytes(
        "# Ban Cơ yếu\n".encode() + three[0].cert.public_bytes(Encoding.PEM) + b"\n#\n"
    )
    assert anchor_files.load_pem_anchors([file]) == [three[0].der]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for path in (broken, tmp_path / "absent.pem"):
        with pytest.raises(AnchorUnreadable, match=path.name):
            anchor_files.load_pem_anchors([path])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AnchorUnreadable, match="empty"):
        anchor_files.load_pem_anchors([empty])


def test_anchors_come_back_as_they_were_written(tmp_path: Path, three: list[Entity]) -> None:
    file = tmp_path / "root.pem"
    file.write_bytes(three[0].cert.public_bytes(Encoding.PEM))
    (found,) = anchor_files.load_pem_anchors([file, file])
    assert x509.load_der_x509_certificate(found) == three[0].cert
