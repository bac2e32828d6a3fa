"""x509-limbo: certificate revocation lists."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ca import der
from tests.ca.hierarchy import key_usage
from tests.ca.limbo.kit import (
    AT,
    DAY,
    UNKNOWN,
    Extension,
    Made,
    Question,
    ca,
    case,
    crl,
    entry,
    leaf,
    root,
)

_URI = "http://example.com/partition.crl"


def _asked(top: Made, end: Made, *lists: bytes) -> Question:
    return Question(end.der, [top], crls=lists)


def _list(*, leaf_wishes: dict[str, object] | None = None, **wishes: object) -> Question:
    """A root, a signer, and the root's list with an entry for somebody else."""
    top = root()
    end = leaf(top, **(leaf_wishes or {}))
    return _asked(top, end, crl(top, **{"revoked": [entry()], **wishes}))


def _revoking(*extra: Extension, **wishes: object) -> Question:
    top = root()
    end = leaf(top, begin=AT - 30 * DAY)
    moment = wishes.pop("at", AT - DAY)
    listed = entry(end.certificate.serial_number, at=moment, extra=extra)  # type: ignore[arg-type]
    return _asked(top, end, crl(top, revoked=[listed], **wishes))


# Who is on the list, and whose list it is --------------------------------------------------------

case("rfc5280::crl::revoked-certificate-with-crl", accepted=False)(_revoking)
case("rfc5280::crl::certificate-not-on-crl", accepted=True)(
    lambda: _list(revoked=[entry(), entry(at=AT - 2 * DAY)])
)
case("rfc5280::crl::crl-empty", accepted=True)(lambda: _list(revoked=[]))
case("rfc5280::crl::crl-very-large", accepted=True)(
    lambda: _list(revoked=[entry(9_000_000 + number) for number in range(10_000)])
)
case("rfc5280::crl::crlnumber-missing", accepted=False)(lambda: _list(number=None))
case("rfc5280::crl::crlnumber-critical", accepted=False)(
    lambda: _list(number=(x509.CRLNumber(12345), True))
)


@case("rfc5280::crl::certificate-serial-on-crl-different-issuer", accepted=True)
def _() -> Question:
    first, second = root(), root()
    end = leaf(first)
    listed = entry(end.certificate.serial_number)
    lists = (crl(first), crl(second, revoked=[listed]))
    return Question(end.der, [first, second], crls=lists)


def _issuer_with(usage: Extension | None) -> Question:
    top = root(usage=usage)
    return _asked(top, leaf(top), crl(top, revoked=[entry()]))


case("rfc5280::crl::issuer-missing-crlsign", accepted=False)(
    lambda: _issuer_with((key_usage("key_cert_sign"), False))
)
case("rfc5280::crl::issuer-no-keyusage-extension", accepted=True)(lambda: _issuer_with(None))
case("rfc5280::crl::issuer-valid-crlsign-and-keycertsign", accepted=True)(
    lambda: _issuer_with((key_usage("key_cert_sign", "crl_sign"), False))
)


@case("rfc5280::crl::crl-invalid-signature", accepted=False)
def _() -> Question:
    top = root()
    stranger = Made(top.certificate, ec.generate_private_key(ec.SECP256R1()))
    return _asked(top, leaf(top), crl(stranger, revoked=[entry()]))


@case("rfc5280::crl::crl-wrong-signing-key", accepted=False)
def _() -> Question:
    first, second = root(), root()
    wrong = crl(second, issuer=first.subject, revoked=[entry()])
    return Question(leaf(first).der, [first, second], crls=[wrong])


# Extensions and times ----------------------------------------------------------------------------

case("rfc5280::crl::crl-unknown-critical-extension", accepted=False)(
    lambda: _list(extra=[(UNKNOWN, True)])
)
case("rfc5280::crl::crl-unknown-noncritical-extension", accepted=True)(
    lambda: _list(extra=[(UNKNOWN, False)])
)
case("rfc5280::crl::entry-unknown-critical-extension", accepted=False)(
    lambda: _revoking((UNKNOWN, True))
)
case("rfc5280::crl::entry-unknown-noncritical-extension", accepted=False)(
    lambda: _revoking((UNKNOWN, False))
)
case("crl::structure::crl-duplicate-revoked-serial", accepted=False)(
    lambda: _list(revoked=[entry(77), entry(77)])
)
case("rfc5280::crl::this-update-in-future", accepted=False)(
    lambda: _list(revoked=[], begin=AT + DAY)
)
case("rfc5280::crl::next-update-in-past", accepted=False)(
    lambda: _list(revoked=[], begin=AT - 60 * DAY, end=AT - 30 * DAY)
)
case("rfc5280::crl::revocation-date-in-future", accepted=False)(lambda: _revoking(at=AT + DAY))
case("rfc5280::crl::revocation-date-before-not-before", accepted=False)(
    lambda: _revoking(at=AT - 60 * DAY)
)
case("rfc5280::crl::crl-validity-no-overlap", accepted=False)(
    lambda: _list(
        revoked=[],
        begin=AT - 365 * DAY,
        end=AT - 180 * DAY,
        leaf_wishes={"begin": AT - 30 * DAY, "end": AT + 30 * DAY},
    )
)

# Distribution points -----------------------------------------------------------------------------


def _point(*names: x509.GeneralName) -> dict[str, object]:
    point = x509.DistributionPoint(
        full_name=list(names), relative_name=None, reasons=None, crl_issuer=None
    )
    return {"extra": [(x509.CRLDistributionPoints([point]), False)]}


def _uri(value: str = _URI) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(value)


def _scope(*names: x509.GeneralName, **flags: object) -> list[Extension]:
    usual = {
        "full_name": list(names) or None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return [(x509.IssuingDistributionPoint(**{**usual, **flags}), True)]  # type: ignore[arg-type]


def _scoped(point: dict[str, object] | None, scope: list[Extension]) -> Question:
    return _list(revoked=[], extra=scope, leaf_wishes=point)


case("crl::idp::idp-cdp-scope-mismatch", accepted=False)(
    lambda: _scoped(_point(_uri()), _scope(_uri("http://example.com/other.crl")))
)
case("crl::idp::idp-cdp-scope-match", accepted=True)(
    lambda: _scoped(_point(_uri()), _scope(_uri()))
)
case("crl::idp::idp-only-contains-ca-certs-ee-target", accepted=False)(
    lambda: _scoped(None, _scope(only_contains_ca_certs=True))
)
case("crl::idp::idp-only-contains-attribute-certs", accepted=False)(
    lambda: _scoped(None, _scope(only_contains_attribute_certs=True))
)
case("crl::idp::idp-present-certificate-missing-cdp", accepted=False)(
    lambda: _scoped(None, _scope(_uri()))
)
case("crl::idp::idp-present-certificate-cdp-non-uri-generalname", accepted=False)(
    lambda: _scoped(_point(_uri(), x509.DNSName("example.com")), _scope(_uri()))
)
case("crl::cabf::idp-name-relative-to-crl-issuer", accepted=False)(
    lambda: _scoped(
        None,
        _scope(
            relative_name=x509.RelativeDistinguishedName(
                [x509.NameAttribute(x509.NameOID.COMMON_NAME, "partition")]
            )
        ),
    )
)
case("crl::cabf::idp-fullname-non-uri-generalname", accepted=False)(
    lambda: _scoped(_point(_uri()), _scope(_uri(), x509.DNSName("example.com")))
)
case("crl::cabf::idp-indirect-crl", accepted=False)(
    lambda: _scoped(_point(_uri()), _scope(_uri(), indirect_crl=True))
)
case("crl::cabf::idp-only-some-reasons-no-complete-crl", accepted=False)(
    lambda: _scoped(
        _point(_uri()),
        _scope(_uri(), only_some_reasons=frozenset([x509.ReasonFlags.key_compromise])),
    )
)
case("crl::cabf::idp-uri-not-byte-identical", accepted=False)(
    lambda: _scoped(
        _point(_uri("http://example.com/crls/%73hard.crl")),
        _scope(_uri("http://example.com/crls/shard.crl")),
    )
)


@case("crl::idp::idp-only-contains-user-certs-ca-target", accepted=False)
def _() -> Question:
    top = root()
    middle = ca(top)
    lists = (crl(top, extra=_scope(only_contains_user_certs=True)), crl(middle))
    return Question(leaf(middle).der, [top], [middle], crls=lists)


# Lists that are not in the form of RFC 5280 ------------------------------------------------------


def _rewritten(change: str) -> Question:
    """A list that revokes the signer, with one field written as it must not be."""
    top = root()
    end = leaf(top)
    made = crl(top, revoked=[entry(end.certificate.serial_number)])
    body, algorithm, _ = der.signed_parts(made)
    fields = [field.encoded for field in der.children(body)]
    if change == "version":
        fields[0] = der.integer(7)
    elif change == "times":
        fields[3:5] = [der.generalized_time(AT - DAY), der.generalized_time(AT + DAY)]
    else:
        del fields[4]
    changed = der.sequence(*fields)
    signature = der.bit_string(top.key.sign(changed, ec.ECDSA(hashes.SHA256())))
    asked = der.sequence(changed, algorithm.encoded, signature)
    return Question(end.der, [top], crls=[asked], ignored_if_wrong=True, at=AT + timedelta(hours=1))


case("crl::external::crl-invalid-version", accepted=True)(lambda: _rewritten("version"))
case("crl::external::crl-update-generalizedtime-2025", accepted=True)(lambda: _rewritten("times"))
case("crl::external::crl-missing-next-update", accepted=True)(lambda: _rewritten("next update"))
