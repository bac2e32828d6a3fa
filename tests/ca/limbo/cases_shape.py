"""x509-limbo: what RFC 5280 says a certificate has to look like."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ca import der
from tests.ca.hierarchy import key_usage
from tests.ca.limbo.kit import (
    SIGNER_USAGE,
    UNKNOWN,
    Extension,
    Question,
    ca,
    case,
    dns,
    leaf,
    limits,
    named,
    root,
)

_NO_CERTIFICATES = (key_usage("crl_sign"), False)
_PLACE = x509.AuthorityInformationAccess(
    [x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.DNSName("example.com"))]
)


def _of_leaf(**wishes: object) -> Question:
    top = root()
    return Question(leaf(top, **wishes).der, [top])


def _of_ca(**wishes: object) -> Question:
    top = root()
    middle = ca(top, **wishes)
    return Question(leaf(middle).der, [top], [middle])


def _of_root(**wishes: object) -> Question:
    top = root(**wishes)
    return Question(leaf(top).der, [top])


def _usage(*purposes: x509.ObjectIdentifier) -> Extension:
    return x509.ExtendedKeyUsage(purposes), False


# Names, extensions, flags ------------------------------------------------------------------------

case("rfc5280::ee-empty-issuer", accepted=False)(lambda: _of_leaf(issuer=x509.Name([])))
case("rfc5280::ca-empty-subject", accepted=False)(lambda: _of_root(subject=x509.Name([])))
case("rfc5280::unknown-critical-extension-ee", accepted=False)(
    lambda: _of_leaf(extra=[(UNKNOWN, True)])
)
case("rfc5280::unknown-critical-extension-root", accepted=False)(
    lambda: _of_root(extra=[(UNKNOWN, True)])
)
case("rfc5280::unknown-critical-extension-intermediate", accepted=False)(
    lambda: _of_ca(path_length=0, extra=[(UNKNOWN, True)])
)
case("rfc5280::intermediate-ca-without-ca-bit", accepted=False)(
    lambda: _of_ca(constraints=(x509.BasicConstraints(ca=False, path_length=None), True))
)
case("rfc5280::intermediate-ca-missing-basic-constraints", accepted=False)(
    lambda: _of_ca(constraints=None)
)
case("rfc5280::root-missing-basic-constraints", accepted=False)(lambda: _of_root(constraints=None))
case("rfc5280::root-non-critical-basic-constraints", accepted=False)(
    lambda: _of_root(constraints=(x509.BasicConstraints(ca=True, path_length=None), False))
)
case("rfc5280::root-inconsistent-ca-extensions", accepted=False)(
    lambda: _of_root(usage=_NO_CERTIFICATES)
)
case("rfc5280::ica-ku-keycertsign", accepted=False)(
    lambda: _of_ca(path_length=0, usage=_NO_CERTIFICATES)
)
case("rfc5280::leaf-ku-keycertsign", accepted=False)(
    lambda: _of_leaf(
        constraints=(x509.BasicConstraints(ca=False, path_length=None), True),
        usage=(key_usage("digital_signature", "key_cert_sign"), False),
    )
)
case("rfc5280::ee-aia", accepted=True)(lambda: _of_leaf(extra=[(_PLACE, False)]))
case("rfc5280::ee-critical-aia-invalid", accepted=False)(lambda: _of_leaf(extra=[(_PLACE, True)]))
case("rfc5280::duplicate-extensions", accepted=False)(
    lambda: _of_leaf(extra=[(x509.SubjectAlternativeName(dns("example.com")), False)] * 2)
)
case("rfc5280::no-keyusage", accepted=True)(lambda: _of_leaf(usage=None))
case("rfc5280::no-basicconstraints", accepted=True)(lambda: _of_leaf(constraints=None))


def _other_algorithm_outside(certificate: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """SHA-384 said inside, SHA-256 said outside, and the signature is of the latter."""
    body, algorithm, _ = der.signed_parts(certificate)
    wrong = der.object_identifier("1.2.840.10045.4.3.3")
    right = der.object_identifier("1.2.840.10045.4.3.2")
    changed = body.encoded.replace(right, wrong, 1)
    signature = key.sign(changed, ec.ECDSA(hashes.SHA256()))
    return der.sequence(changed, algorithm.encoded, der.bit_string(signature))


@case("rfc5280::mismatching-signature-algorithm", accepted=False)
def _() -> Question:
    top = root()
    middle = ca(top)
    end = _other_algorithm_outside(leaf(middle).der, middle.key)
    return Question(end, [top], [middle])


# Extended key usage ------------------------------------------------------------------------------

case("rfc5280::eku::ee-wrong-eku", accepted=False)(
    lambda: _of_leaf(extra=[_usage(ExtendedKeyUsageOID.SERVER_AUTH)])
)
case("rfc5280::eku::ee-without-eku", accepted=True)(_of_leaf)

# Key identifiers ---------------------------------------------------------------------------------


@case("rfc5280::aki::critical-aki", accepted=False)
def _() -> Question:
    key = ec.generate_private_key(ec.SECP256R1())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return _of_root(key=key, extra=[(above, True)])


case("rfc5280::aki::leaf-missing-aki", accepted=False)(lambda: _of_leaf(issuer_identifier=False))
case("rfc5280::aki::intermediate-missing-aki", accepted=False)(
    lambda: _of_ca(path_length=0, issuer_identifier=False)
)
case("rfc5280::aki::self-signed-root-missing-aki", accepted=True)(_of_root)


@case("rfc5280::aki::cross-signed-root-missing-aki", accepted=False)
def _() -> Question:
    top = ca(root(), path_length=0, issuer_identifier=False)
    return Question(leaf(top).der, [top])


case("rfc5280::ski::critical-ski", accepted=False)(lambda: _of_root(own_identifier_critical=True))
case("rfc5280::ski::root-missing-ski", accepted=False)(lambda: _of_root(own_identifier=False))
case("rfc5280::ski::intermediate-missing-ski", accepted=False)(lambda: _of_ca(own_identifier=False))

# Alternative names, serial numbers, policies -----------------------------------------------------

case("rfc5280::san::malformed", accepted=False)(
    lambda: _of_leaf(
        extra=[
            (
                x509.UnrecognizedExtension(x509.OID_SUBJECT_ALTERNATIVE_NAME, b"example.com"),
                False,
            )
        ]
    )
)
case("rfc5280::san::noncritical-with-empty-subject", accepted=False)(
    lambda: _of_leaf(subject=x509.Name([]), names=dns("example.com"))
)
case("rfc5280::serial::serial-number-too-long", accepted=False)(
    lambda: _of_leaf(serial=(1 << 175) + 1)
)


def _numbered(serial: bytes) -> Question:
    """A serial number that no builder takes."""
    top = root()
    body, algorithm, _ = der.signed_parts(leaf(top, serial=0x7F1234).der)
    assert body.encoded.count(b"\x02\x03\x7f\x12\x34") == 1
    fields = [field.encoded for field in der.children(body)]
    fields[1] = der.tlv(der.INTEGER, serial)
    changed = der.sequence(*fields)
    signature = der.bit_string(top.key.sign(changed, ec.ECDSA(hashes.SHA256())))
    return Question(der.sequence(changed, algorithm.encoded, signature), [top])


case("rfc5280::serial::serial-number-zero", accepted=False)(lambda: _numbered(b"\x00"))
case("rfc5280::serial::serial-number-negative", accepted=False)(lambda: _numbered(b"\x80\x12\x34"))
case("rfc5280::pc::ica-noncritical-pc", accepted=False)(
    lambda: _of_ca(
        extra=[
            (x509.PolicyConstraints(require_explicit_policy=3, inhibit_policy_mapping=None), False)
        ]
    )
)


@case("invalid::invalid-issuer-key", accepted=False)
def _() -> Question:
    """An authority whose RSA key is no key at all."""
    top = root()
    middle = ca(top, subject=named("broken key"))
    body, algorithm, signature = der.signed_parts(middle.der)
    empty = bytes.fromhex("3012300d06092a864886f70d0101010500030100")
    fields = [
        empty if field.content[:2] == b"\x30\x13" else field.encoded for field in der.children(body)
    ]
    changed = der.sequence(*fields)
    signed = der.bit_string(top.key.sign(changed, ec.ECDSA(hashes.SHA256())))
    assert changed != body.encoded
    broken = der.sequence(changed, algorithm.encoded, signed)
    assert signature
    return Question(leaf(middle, usage=SIGNER_USAGE).der, [top], [_Bytes(broken)])  # type: ignore[list-item]


class _Bytes:
    """Stands for a certificate that no library would load."""

    def __init__(self, data: bytes) -> None:
        self.der = data


case("rfc5280::nc::not-allowed-in-ee-noncritical", accepted=False)(
    lambda: _of_leaf(
        names=dns("example.com"), name_constraints=limits(dns("example.com"), critical=False)
    )
)
case("rfc5280::nc::not-allowed-in-ee-critical", accepted=False)(
    lambda: _of_leaf(names=dns("example.com"), name_constraints=limits(dns("example.com")))
)
