"""Signatures whose dictionary or CMS is wrong although key, digest and file are right.

Nothing was changed after signing here: whoever made these files had the key, or had somebody sign
bytes that two programs read in two ways.
"""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest
from asn1crypto import cms, core
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa

from pdf.report import DocumentReport, Indication
from tests.ca.hierarchy import Entity
from tests.pdf.cms_kit import Attributes, Detached
from tests.pdf.handmade import AUTHORITY, ENTRIES, SIGNER, Four, Handmade
from tests.pdf.signing_kit import NOW, sign
from tests.pdf.verifying_kit import (
    FixedValidator,
    LocalTimestamps,
    Status,
    Verdict,
    append,
    check,
    letter,
    only,
    whats,
)

USUAL = ENTRIES + "/ByteRange @R/Contents @C"
INNER = USUAL.replace("adbe.pkcs7.detached", "adbe.pkcs7.sha1")
TOKEN = USUAL.replace("adbe.pkcs7.detached", "ETSI.RFC3161").replace("/Sig/", "/DocTimeStamp/")


@cache
def with_rsa() -> Entity:
    return AUTHORITY.issue("Khóa RSA", key=rsa.generate_private_key(65537, 2048))


@cache
def with_dsa() -> Entity:
    """A short key, which is quickly made: the mathematics come before the strength."""
    return AUTHORITY.issue("Khóa DSA", key=dsa.generate_private_key(1024))  # type: ignore[arg-type]  # noqa: S505 -- as said


def refused(report: DocumentReport, *codes: str, word: str = "FORMAT_FAILURE") -> None:
    signature = only(report)
    assert not report.accept
    assert signature.indication is not Indication.TOTAL_PASSED
    assert signature.sub_indication == word
    assert set(codes) <= {message.code for message in signature.messages}


def test_a_letter_made_by_hand_passes() -> None:
    assert check(Handmade().encoded()).accept


# The dictionary -----------------------------------------------------------------------------------


def written(form: str) -> Callable[[Four], str]:
    return lambda four: form % four


@pytest.mark.parametrize(
    "form", ["[+%d +%d +%d +%d]", "[%010d %010d %010d %010d]", "[%d%%\n%d %d %d]"]
)
def test_a_byte_range_may_be_written_in_every_way_that_is_a_number(form: str) -> None:
    assert check(Handmade(numbers=written(form)).encoded()).accept


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("[%d.0 %d.0 %d.0 %d.0]", "BYTE_RANGE_MISSING"),
        ("[%d %d. %d %d]", "BYTE_RANGE_MISSING"),
        ("[[%d %d %d %d]]", "BYTE_RANGE_MISSING"),
        ("[(%d)(%d)(%d)(%d)]", "BYTE_RANGE_MISSING"),
        ("[%d %d true %d %d]", "BYTE_RANGE_MISSING"),
        ("[%d %d %d %d 0]", "BYTE_RANGE_MALFORMED"),
        ("[%d -%d %d %d]", "BYTE_RANGE_MALFORMED"),
        ("[%d %d %d %d 0 0]", "BYTE_RANGE_NOT_TWO_PARTS"),
        ("[1%d %d %d %d]", "BYTE_RANGE_NOT_FROM_START"),
        ("[%d %d %d 1%d]", "BYTE_RANGE_OUTSIDE_FILE"),
        ("[%d %d %d 99999999999999999999%d]", "BYTE_RANGE_MISSING"),
    ],
)
def test_attack_a_byte_range_that_is_not_four_plain_numbers(form: str, code: str) -> None:
    refused(check(Handmade(numbers=written(form)).encoded()), code)


@pytest.mark.parametrize("edges", [(1, -1), (1, 0), (0, -1), (-1, 0), (0, 1), (-9, 0), (0, 3)])
def test_attack_the_gap_is_more_or_less_than_the_signature(edges: tuple[int, int]) -> None:
    refused(check(Handmade(left_out=edges).encoded()), "BYTE_RANGE_GAP_WRONG")


@pytest.mark.parametrize(
    "digits",
    [
        str.upper,
        lambda text: "\n".join(text[n : n + 64] for n in range(0, len(text), 64)),
    ],
)
def test_the_signature_may_be_in_capitals_or_lines(digits: Callable[[str], str]) -> None:
    assert check(Handmade(digits=digits).encoded()).accept


@pytest.mark.parametrize(
    "digits",
    [
        lambda text: f"{text[:100]}%hidden\n{text[100:]}",
        lambda text: f"{text[:-3]}xyz",
        lambda text: f"{text[:100]}<<{text[100:]}",
        lambda text: f"{text[:100]}(hidden){text[100:]}",
    ],
)
def test_attack_something_else_stands_between_the_digits(digits: Callable[[str], str]) -> None:
    refused(check(Handmade(digits=digits).encoded()), "CONTENTS_NOT_HEXADECIMAL")


@pytest.mark.parametrize(
    "layout",
    [
        ENTRIES + "/Contents<00>/ByteRange @R/Contents @C",
        ENTRIES + "/ByteRange @R/Contents @C/Contents<00>",
        ENTRIES + "/Cont#65nts<00>/ByteRange @R/Contents @C",
        ENTRIES + "/ByteRange @R/Contents @C/C#6fntents<00>",
        ENTRIES + "/ByteRange[0 1 2 3]/ByteRange @R/Contents @C",
        ENTRIES + "/Byte#52ange[0 1 2 3]/ByteRange @R/Contents @C",
        ENTRIES + "/Type/DocTimeStamp/ByteRange @R/Contents @C",
        ENTRIES + "/SubFilter/adbe.pkcs7.detached/ByteRange @R/Contents @C",
        ENTRIES + "/Reference[]/ByteRange @R/Contents @C/Reference[]",
    ],
)
def test_attack_an_entry_that_steers_the_check_is_given_twice(layout: str) -> None:
    refused(check(Handmade(layout=layout).encoded()), "SIGNATURE_KEY_REPEATED")


@pytest.mark.parametrize(
    "layout",
    [
        ENTRIES + "/ByteRange @R/Prop_Build<</Contents @C>>",
        ENTRIES + "/ByteRange @R/Contents(x)/Prop_Build<</Contents @C>>",
        ENTRIES + "/ByteRange @R/Contents[@C]",
        ENTRIES + "/ByteRange @R/Contents 8 0 R/Other @C",
        ENTRIES + "/ByteRange 8 0 R/Contents @C/Other @R",
    ],
)
def test_attack_the_signature_or_its_range_stands_elsewhere(layout: str) -> None:
    assert not check(Handmade(layout=layout, more=["<00>"]).encoded()).accept


@pytest.mark.parametrize("value", ["0", "4", "-1", "(3)", "3.0", "2.5", "null", "/x", "[3]"])
def test_a_certification_that_is_no_level_permits_nothing(value: str) -> None:
    reference = f"/Reference[<</TransformMethod/DocMDP/TransformParams<</P {value}>>>>]"
    data = Handmade(layout=ENTRIES + reference + "/ByteRange @R/Contents @C").encoded()
    note = "<</Type/Annot/Subtype/Text/Rect[10 10 30 30]/Contents(x)/F 4>>"
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R"
        "/Resources<</Font<</F1 5 0 R>>>>/Annots[6 0 R 9 0 R]>>"
    )
    signature = only(check(append(data, {9: note, 4: page})))
    assert "annotation_added" in whats(signature)
    assert not signature.integrity.changes_permitted


# The CMS ------------------------------------------------------------------------------------------


def made(covered: bytes, *, signer: Entity = SIGNER, **how: object) -> bytes:
    return Detached(content=covered, signer=signer, at=NOW, **how).encoded()  # type: ignore[arg-type]


def judged(*, layout: str = USUAL, signer: Entity = SIGNER, **how: object) -> DocumentReport:
    build = Handmade(layout=layout, cms=lambda covered: made(covered, signer=signer, **how))
    return check(build.encoded())


def _second_value(kind: str, value: object) -> Callable[[Attributes], Attributes]:
    def change(listed: Attributes) -> Attributes:
        return [
            {**one, "values": [*one["values"], value]} if one["type"] == kind else one  # type: ignore[misc]
            for one in listed
        ]

    return change


def _once_more(kind: str, value: object) -> Callable[[Attributes], Attributes]:
    return lambda listed: [*listed, {"type": kind, "values": [value]}]


def _without(kind: str) -> Callable[[Attributes], Attributes]:
    return lambda listed: [one for one in listed if one["type"] != kind]


@pytest.mark.parametrize("change", [_second_value, _once_more])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("message_digest", b"\x00" * 32),
        ("message_digest", b"\xff" * 32),
        ("content_type", "tst_info"),
        ("content_type", "signed_data"),
    ],
)
def test_attack_an_attribute_that_says_two_things(
    change: Callable[[str, object], Callable[[Attributes], Attributes]], kind: str, value: object
) -> None:
    refused(judged(listed=change(kind, value)), "SIGNED_ATTRIBUTE_REPEATED")


def test_attack_attributes_that_do_not_say_what_was_signed() -> None:
    refused(judged(listed=_without("message_digest")), "MESSAGE_DIGEST_MISSING")


@pytest.mark.parametrize("place", [0, 1])
def test_attack_a_second_signer_whose_signature_does_not_hold(place: int) -> None:
    def two(info: dict[str, object]) -> list[dict[str, object]]:
        pair = [info, info]
        pair[place] = {**info, "signature": bytes.fromhex("3006020101020101")}
        return pair

    refused(judged(infos=two), "CMS_SEVERAL_SIGNERS", word="SIG_CRYPTO_FAILURE")


def _rsa(
    scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm
) -> Callable[[bytes], bytes]:
    key = with_rsa().key
    assert isinstance(key, rsa.RSAPrivateKey)
    return lambda data: key.sign(data, scheme, digest)  # type: ignore[arg-type]  # PSS and v1.5


def _told(
    name: str, mask: str, salt: int
) -> Callable[[dict[str, object]], list[dict[str, object]]]:
    parameters = {
        "hash_algorithm": {"algorithm": name},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
        "salt_length": salt,
    }
    algorithm = {"algorithm": "rsassa_pss", "parameters": parameters}
    return lambda info: [{**info, "signature_algorithm": algorithm}]


SHA1, SHA256, SHA512 = hashes.SHA1(), hashes.SHA256(), hashes.SHA512()  # noqa: S303 -- what attacks use


def test_pss_passes_where_its_parameters_are_those_of_the_signature() -> None:
    sign = _rsa(padding.PSS(padding.MGF1(SHA256), 32), SHA256)
    assert judged(signer=with_rsa(), sign=sign, infos=_told("sha256", "sha256", 32)).accept


@pytest.mark.parametrize(
    ("scheme", "digest", "told"),
    [
        (padding.PSS(padding.MGF1(SHA256), 20), SHA256, ("sha256", "sha256", 32)),
        (padding.PSS(padding.MGF1(SHA512), 32), SHA256, ("sha256", "sha256", 32)),
        (padding.PSS(padding.MGF1(SHA256), 32), SHA512, ("sha256", "sha256", 32)),
        (padding.PSS(padding.MGF1(SHA512), 64), SHA512, ("sha512", "sha512", 64)),
        (padding.PSS(padding.MGF1(SHA1), 20), SHA1, ("sha1", "sha1", 20)),
        (padding.PKCS1v15(), SHA256, ("sha256", "sha256", 32)),
    ],
    ids=["salt", "mask", "hash", "stronger than the digest", "weaker than the digest", "v1.5"],
)
def test_attack_pss_parameters_that_are_not_those_of_signature_and_digest(
    scheme: padding.AsymmetricPadding, digest: hashes.HashAlgorithm, told: tuple[str, str, int]
) -> None:
    report = judged(signer=with_rsa(), sign=_rsa(scheme, digest), infos=_told(*told))
    refused(report, word="SIG_CRYPTO_FAILURE")


def test_attack_pss_called_v15() -> None:
    sign = _rsa(padding.PSS(padding.MGF1(SHA256), 32), SHA256)
    refused(judged(signer=with_rsa(), sign=sign), word="SIG_CRYPTO_FAILURE")


@pytest.mark.parametrize(
    ("signer", "algorithm"), [(with_rsa, "sha1_rsa"), (with_dsa, "sha1_dsa")], ids=["rsa", "dsa"]
)
def test_attack_a_signature_with_sha1_beside_a_digest_with_sha256(
    signer: Callable[[], Entity], algorithm: str
) -> None:
    """Policy looks at the digest; a weaker hash below the key must not slip in behind it."""
    key = signer().key
    if isinstance(key, rsa.RSAPrivateKey):
        sign = _rsa(padding.PKCS1v15(), SHA1)
    else:
        assert isinstance(key, dsa.DSAPrivateKey)
        sign = lambda data: key.sign(data, SHA1)  # noqa: E731 -- two ways of one thing
    report = judged(signer=signer(), sign=sign, algorithm=algorithm)
    refused(report, "ALGORITHMS_DISAGREE", word="SIG_CRYPTO_FAILURE")


def test_attack_md5_below_a_digest_with_sha1() -> None:
    def weak(covered: bytes) -> bytes:
        digest = hashlib.sha1(covered, usedforsecurity=False).digest()
        return made(digest, signer=with_rsa(), digest="md5", carried=digest)

    report = check(Handmade(layout=INNER, cms=weak).encoded())
    refused(report, "ALGORITHM_WEAK", word="CRYPTO_CONSTRAINTS_FAILURE")


def _token(covered: bytes) -> bytes:
    return LocalTimestamps(NOW).timestamp(hashlib.sha256(covered).digest(), "sha256")


def test_attack_a_time_stamp_that_anybody_can_have_passed_off_as_a_signature() -> None:
    assert only(check(Handmade(layout=TOKEN, cms=_token).encoded())).indication is (
        Indication.TOTAL_PASSED
    )
    refused(check(Handmade(cms=_token).encoded()), "CMS_ENCAPSULATES_CONTENT")


def test_attack_a_signature_passed_off_as_a_time_stamp() -> None:
    refused(check(Handmade(layout=TOKEN).encoded()), "TIMESTAMP_MALFORMED")


def _changed_token(change: Callable[[cms.SignedData], None]) -> Callable[[bytes], bytes]:
    def build(covered: bytes) -> bytes:
        token = cms.ContentInfo.load(_token(covered))
        change(token["content"])
        return bytes(token.dump(force=True))

    return build


def _signed_twice(data: cms.SignedData) -> None:
    data["signer_infos"].append(data["signer_infos"][0])


def _of_other_time(data: cms.SignedData) -> None:
    info = data["encap_content_info"]["content"].parsed
    info["gen_time"] = NOW - timedelta(days=1000)
    data["encap_content_info"]["content"] = core.ParsableOctetString(info.dump(force=True))


@pytest.mark.parametrize("change", [_signed_twice, _of_other_time])
def test_attack_a_time_stamp_that_is_not_as_its_authority_signed_it(
    change: Callable[[cms.SignedData], None],
) -> None:
    report = check(Handmade(layout=TOKEN, cms=_changed_token(change)).encoded())
    assert only(report).indication is Indication.TOTAL_FAILED
    assert not report.accept


def test_attack_a_time_stamp_of_the_future_does_not_bring_a_revoked_certificate_back() -> None:
    """An authority whose clock runs ahead proves nothing that is later than now."""
    revoked = Verdict(
        trusted=False,
        sub_indication="REVOKED_NO_POE",
        revocation=Status(status="REVOKED", revoked_at=NOW - timedelta(days=1)),
    )
    data = sign(letter(), timestamps=LocalTimestamps(NOW + timedelta(days=400)))
    report = check(data, validator=FixedValidator(signing=revoked))
    assert only(report).sub_indication == "REVOKED_NO_POE"
    assert not report.accept
