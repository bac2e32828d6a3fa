"""Archive time-stamps in a `.p7s`: what they are over, written again by another reader of ASN.1.

The imprint and the index are computed a second time from EN 319 122-1 clauses 5.5.2 and 5.5.3 with
asn1crypto, which shares no line with what writes them.
"""

import hashlib
import io
from datetime import timedelta

import pytest
from asn1crypto import algos, cms, core, tsp
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.validation import PathValidator
from pdf.algorithms import SignatureAlgorithm
from pdf.archive_stamps import MOST_STAMPS, read_archive
from pdf.cades import finish_detached, prepare_detached
from pdf.cades_levels import raised
from pdf.detached import DetachedContent, DetachedQuestion, verify_detached
from pdf.extend import ExtensionOptions
from pdf.options import Level
from pdf.report import DocumentReport, Indication
from pdf.signer import SignerChain
from tests.ca.hierarchy import Entity
from tests.pdf.archive_kit import AT, RSA, YEAR, Province
from tests.pdf.signing_kit import raw_signature

CONTENT = "Danh sách cán bộ\n".encode() * 999
ARCHIVE, INDEX = "0.4.0.1733.2.4", "0.4.0.19122.1.5"
DAY = timedelta(days=1)


class HashIndex(core.Sequence):  # type: ignore[misc]  # asn1crypto has no annotations
    _fields = [  # noqa: RUF012 -- asn1crypto's form
        ("algorithm", algos.DigestAlgorithm),
        ("certificates", core.SequenceOf, {"spec": core.OctetString}),
        ("crls", core.SequenceOf, {"spec": core.OctetString}),
        ("values", core.SequenceOf, {"spec": core.OctetString}),
    ]


class OctetStrings(core.SequenceOf):  # type: ignore[misc]  # as above
    _child_spec = core.OctetString


HashIndex._fields[1:] = [(name, OctetStrings) for name in ("certificates", "crls", "values")]


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


@pytest.fixture(scope="module")
def archived(province: Province) -> bytes:
    return signed(province)


def signed(
    province: Province,
    who: Entity | None = None,
    algorithm: SignatureAlgorithm = RSA,
    level: Level = Level.B_LTA,
) -> bytes:
    signer = who or province.signer
    chain = SignerChain(signer.der, (province.issuing.der, province.root.der))
    prepared = prepare_detached(
        io.BytesIO(CONTENT), signer=chain, algorithm=algorithm, signing_time=AT, level=level
    )
    return finish_detached(
        prepared,
        signature=raw_signature(signer.key, algorithm, prepared.to_be_signed),
        signer=chain,
        timestamps=province.stamps(),
        evidence=province.evidence(),
        at=AT,
    ).container


def judged(province: Province, signature: bytes, *, at: object = AT + DAY) -> DocumentReport:
    question = DetachedQuestion(content_name="a.xlsx", at=at, checked_at=at)  # type: ignore[arg-type]
    validator = PathValidator([province.root.der])
    return verify_detached(signature, io.BytesIO(CONTENT), question, validator=validator)


def renewed(province: Province, signature: bytes, at: object, tsa: Entity | None = None) -> bytes:
    options = ExtensionOptions(
        level=Level.B_LTA,
        at=at,  # type: ignore[arg-type]
        timestamps=province.stamps(at, tsa=tsa),  # type: ignore[arg-type]
        evidence=province.evidence(province.servers(at)),  # type: ignore[arg-type]
    )
    return raised(signature, DetachedContent(io.BytesIO(CONTENT)).access(), options).container


def unsigned(signer: cms.SignerInfo) -> list[tuple[str, bytes, bytes]]:
    """List the unsigned attribute values: type, encoded type, encoded value."""
    return [
        (each["type"].dotted, each["type"].dump(), value.dump())
        for each in signer["unsigned_attrs"]
        for value in each["values"]
    ]


def check_by_the_standard(container: bytes, place: int = 0) -> None:
    """Compute index and imprint of a signer's newest archive time-stamp anew, and compare."""
    data = cms.ContentInfo.load(container)["content"]
    signer = data["signer_infos"][place]
    values = unsigned(signer)
    tokens = [value for kind, _, value in values if kind == ARCHIVE]
    token = cms.ContentInfo.load(max(tokens, key=_time))
    (stamper,) = token["content"]["signer_infos"]
    ((_, _, found),) = [one for one in unsigned(stamper) if one[0] == INDEX]
    index = HashIndex.load(found)
    name = index["algorithm"]["algorithm"].native
    info: tsp.TSTInfo = token["content"]["encap_content_info"]["content"].parsed
    assert info["message_imprint"]["hash_algorithm"]["algorithm"].native == name

    def digest(encoded: bytes) -> bytes:
        return hashlib.new(name, encoded).digest()

    assert set(index["certificates"].native) <= {digest(c.dump()) for c in data["certificates"]}
    assert set(index["crls"].native) <= {digest(one.dump()) for one in data["crls"]}
    others = {digest(kind + value) for _, kind, value in values if value != token.dump()}
    assert set(index["values"].native) == others
    fields = ("version", "sid", "digest_algorithm", "signed_attrs")
    over = [
        data["encap_content_info"]["content_type"].dump(),
        digest(CONTENT),
        *(signer[field].dump() for field in fields),
        signer["signature_algorithm"].dump(),
        signer["signature"].dump(),
        found,
    ]
    assert info["message_imprint"]["hashed_message"].native == digest(b"".join(over))


def _time(token: bytes) -> object:
    return (
        cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"]
        .parsed["gen_time"]
        .native
    )


def test_index_and_imprint_are_those_of_the_standard(archived: bytes) -> None:
    check_by_the_standard(archived)


@pytest.mark.parametrize(
    ("algorithm", "name"),
    [
        (SignatureAlgorithm.RSA_PSS_SHA512, "sha512"),
        (SignatureAlgorithm.ECDSA_SHA384, "sha384"),
    ],
)
def test_the_archive_uses_the_hash_of_the_signature(
    province: Province, algorithm: SignatureAlgorithm, name: str
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    if algorithm is SignatureAlgorithm.RSA_PSS_SHA512:
        key = rsa.generate_private_key(65537, 2048)  # type: ignore[assignment]
    who = province.issuing.issue("Lê Thị Bưởi", key=key, validity=(AT - YEAR, AT + 2 * YEAR))
    container = signed(province, who, algorithm)
    check_by_the_standard(container)
    (signature,) = judged(province, container).signatures
    assert (signature.level, signature.indication) == ("B-LTA", Indication.TOTAL_PASSED)
    assert name in {
        each["algorithm"].native
        for each in cms.ContentInfo.load(container)["content"]["digest_algorithms"]
    }


def test_the_report_shows_the_archive_time_stamp_and_what_it_proves(
    province: Province, archived: bytes
) -> None:
    (signature,) = judged(province, archived).signatures
    assert [stamp.kind for stamp in signature.timestamps] == ["signature", "document"]
    assert all(stamp.indication is Indication.TOTAL_PASSED for stamp in signature.timestamps)
    assert (signature.time.proven, signature.level) == (AT, "B-LTA")


def test_a_renewed_archive_outlives_the_authority_of_its_first_time_stamps(
    province: Province, archived: bytes
) -> None:
    later, late = AT + 9 * YEAR, AT + 15 * YEAR
    second = renewed(province, archived, later, province.tsa_until(AT + 19 * YEAR))
    check_by_the_standard(second)
    assert judged(province, second, at=late).accept
    assert not judged(province, archived, at=late).accept  # its authority has ended
    (signature,) = judged(province, second, at=late).signatures
    assert [stamp.kind for stamp in signature.timestamps] == ["signature", "document", "document"]


def of_several(province: Province, count: int) -> bytes:
    """Make one container at level B-B with several signers over the content."""
    first = cms.ContentInfo.load(signed(province, level=Level.B_B))
    for number in range(1, count):
        key = rsa.generate_private_key(65537, 2048)
        who = province.issuing.issue(f"Người {number}", key=key, validity=(AT - YEAR, AT + YEAR))
        other = cms.ContentInfo.load(signed(province, who, level=Level.B_B))
        first["content"]["signer_infos"].append(other["content"]["signer_infos"][0])
        first["content"]["certificates"].append(cms.CertificateChoices.load(who.der))
    return bytes(first.dump())


def test_each_signer_gets_an_archive_time_stamp_of_its_own(province: Province) -> None:
    container = renewed(province, of_several(province, 2), AT)
    report = judged(province, container)
    assert [each.level for each in report.signatures] == ["B-LTA", "B-LTA"]
    assert report.accept
    for place in range(2):
        check_by_the_standard(container, place)
    again = renewed(province, container, AT + DAY)
    assert judged(province, again, at=AT + DAY).accept
    assert [len(each.timestamps) for each in judged(province, again).signatures] == [3, 3]


def _without(container: bytes, what: str) -> bytes:
    """Take something that the archive covers out of the container."""
    loaded = cms.ContentInfo.load(container)
    data = loaded["content"]
    if what == "certificate":
        data["certificates"] = list(data["certificates"])[:-1]
    elif what == "revocation data":
        data["crls"] = list(data["crls"])[1:]
    else:
        signer = data["signer_infos"][0]
        signer["unsigned_attrs"] = [
            one for one in signer["unsigned_attrs"] if one["type"].dotted == ARCHIVE
        ]
    return bytes(loaded.dump())


@pytest.mark.parametrize("what", ["certificate", "revocation data", "signature time-stamp"])
def test_verify_rejects_an_archive_from_which_something_was_taken(
    province: Province, archived: bytes, what: str
) -> None:
    (signature,) = judged(province, _without(archived, what)).signatures
    stamp = signature.timestamps[-1]
    assert (stamp.kind, stamp.digest_match) == ("document", False)
    assert signature.level != "B-LTA"
    assert "TIMESTAMP_BROKEN" in {message.code for message in signature.messages}


def test_verify_rejects_an_archive_time_stamp_of_another_signature(
    province: Province, archived: bytes
) -> None:
    other = cms.ContentInfo.load(signed(province, level=Level.B_LT))
    taken = cms.ContentInfo.load(archived)["content"]["signer_infos"][0]["unsigned_attrs"]
    moved = next(one for one in taken if one["type"].dotted == ARCHIVE)
    other["content"]["signer_infos"][0]["unsigned_attrs"].append(moved)
    (signature,) = judged(province, other.dump()).signatures
    assert (signature.timestamps[-1].digest_match, signature.level) == (False, "B-LT")


def test_verify_rejects_a_back_dated_time_stamp_that_the_archive_never_saw(
    province: Province, archived: bytes
) -> None:
    """An authority that has ended proves nothing by what was put in behind the archive's back."""
    ended = province.tsa_until(AT + YEAR)
    value = cms.ContentInfo.load(archived)["content"]["signer_infos"][0]["signature"].native
    token = province.stamps(AT - 30 * DAY, tsa=ended).timestamp(
        hashlib.sha256(value).digest(), "sha256"
    )
    loaded = cms.ContentInfo.load(archived)
    forged = cms.CMSAttribute(
        {"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(token)]}
    )
    loaded["content"]["signer_infos"][0]["unsigned_attrs"].append(forged)
    (signature,) = judged(province, loaded.dump(), at=AT + 3 * YEAR).signatures
    assert signature.time.proven == AT
    assert signature.indication is Indication.TOTAL_PASSED
    kinds = [(stamp.kind, stamp.indication) for stamp in signature.timestamps]
    assert kinds.count(("signature", Indication.TOTAL_PASSED)) == 1
    assert len(kinds) == 3


def test_verify_rejects_an_archive_time_stamp_that_is_older_than_one_it_covers(
    province: Province, archived: bytes
) -> None:
    later = renewed(province, archived, AT + 2 * DAY)
    (honest,) = judged(province, renewed(province, later, AT + 3 * DAY), at=AT + 4 * DAY).signatures
    assert honest.indication is Indication.TOTAL_PASSED
    (signature,) = judged(province, renewed(province, later, AT + DAY), at=AT + 4 * DAY).signatures
    assert signature.sub_indication == "TIMESTAMP_ORDER_FAILURE"
    assert signature.indication is Indication.INDETERMINATE


def test_an_empty_set_of_unsigned_attributes_is_filled_not_repeated(province: Province) -> None:
    loaded = cms.ContentInfo.load(signed(province, level=Level.B_B))
    loaded["content"]["signer_infos"][0]["unsigned_attrs"] = cms.CMSAttributes([])
    container = renewed(province, loaded.dump(force=True), AT)
    check_by_the_standard(container)
    (signature,) = judged(province, container).signatures
    assert [stamp.kind for stamp in signature.timestamps] == ["signature", "document"]
    assert (signature.indication, signature.level) == (Indication.TOTAL_PASSED, "B-LTA")


def test_what_was_added_after_the_archive_breaks_nothing(
    province: Province, archived: bytes
) -> None:
    loaded = cms.ContentInfo.load(archived)
    more = province.issuing.issue("Thêm", validity=(AT - YEAR, AT + YEAR)).der
    loaded["content"]["certificates"].append(cms.CertificateChoices.load(more))
    (signature,) = judged(province, loaded.dump()).signatures
    assert (signature.level, signature.indication) == ("B-LTA", Indication.TOTAL_PASSED)


def test_every_truncation_of_an_archived_signature_is_told_in_words(
    province: Province, archived: bytes
) -> None:
    for length in range(0, len(archived), 997):
        (signature,) = judged(province, archived[:length]).signatures
        assert signature.indication is not Indication.TOTAL_PASSED


def test_the_parts_that_are_covered_are_read_back_from_the_container(archived: bytes) -> None:
    archive = read_archive(archived)
    assert all(part in archived for part in (*archive.certificates, *archive.crls))
    assert archive.signers[0].fields in archived
    assert len(archive.signers[0].stamps) == 1


def test_verify_looks_at_so_many_archive_time_stamps_only(
    province: Province, archived: bytes
) -> None:
    """An attack on the verifier's time: one time-stamp a thousand times."""
    loaded = cms.ContentInfo.load(archived)
    attributes = loaded["content"]["signer_infos"][0]["unsigned_attrs"]
    again = next(one for one in attributes if one["type"].dotted == ARCHIVE)
    for _ in range(MOST_STAMPS + 1):
        attributes.append(again)
    (signature,) = judged(province, loaded.dump()).signatures
    assert len(signature.timestamps) == 1 + MOST_STAMPS
    assert signature.level == "B-LTA"
