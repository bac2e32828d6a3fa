"""Reading a trusted list of ETSI TS 119 612: whose services are trusted, since when, until when.

The list is XML with an enveloped XAdES signature. Only what the signature covers is read, and only
with the key of a signer that the caller names: what the file says about its own signer counts for
nothing. Document types, entities and anything from elsewhere are refused before anything is read.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree  # type: ignore[import-untyped]  # it ships no annotations
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from ca import trusted_list
from ca.errors_trust import TrustedListUnreadable, TrustedListUntrusted
from ca.trusted_list import ListedService, StatusPeriod, TrustedList

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST: Final = "http://uri.etsi.org/02231/v2#"
_VERSIONS: Final = frozenset({"5", "6"})
"""TS 119 612 V2.1.1 and V2.3.1; older ones have other statuses and are no longer published."""
_METHODS: Final = frozenset(
    method
    for method in SignatureMethod
    if method.name.startswith(("RSA_", "ECDSA_", "SHA")) and "SHA1" not in method.name
    and "SHA224" not in method.name
)  # fmt: skip
_DIGESTS: Final = frozenset(
    {DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512}
)
_EXTENSIONS: Final = frozenset(
    {"AdditionalServiceInformation", "Qualifications", "ExpiredCertsRevocationInfo", "TakenOverBy"}
)
"""Critical ones that do not change whether the service is trusted."""


def read_trusted_list(data: bytes, *, signer: bytes, at: datetime) -> TrustedList:
    """Check the signature with the certificate `signer` (DER) as of `at`, and read what it covers.

    TrustedListUntrusted when the signature is not the signer's, TrustedListUnreadable for what is
    no list or goes beyond the limits. Whether it is the newest and still current is for the caller.
    """
    root = _parsed(data)
    try:
        return _read(_covered(root, signer, at))
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise TrustedListUnreadable(f"not a trusted list: {error}") from error


def _parsed(data: bytes) -> etree._Element:
    if len(data) > trusted_list.MAX_LIST_BYTES:
        raise TrustedListUnreadable("the file is too large for a trusted list")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TrustedListUnreadable("the file is no XML") from error
    if root.getroottree().docinfo.doctype:
        raise TrustedListUnreadable("the file declares a document type, which is not accepted")
    if root.tag != _tag("TrustServiceStatusList"):
        raise TrustedListUnreadable("the file is no trusted list")
    return root


def _covered(root: etree._Element, signer: bytes, at: datetime) -> etree._Element:
    """Give the list as it was signed."""
    rules = XAdESSignatureConfiguration(
        location="./",
        expect_references=True,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=at,
    )
    try:
        certificate = x509.load_der_x509_certificate(signer)
        results = XAdESVerifier().verify(root, x509_cert=certificate, expect_config=rules)
    except (SignXMLException, etree.LxmlError, UnsupportedAlgorithm, ValueError) as error:
        raise TrustedListUntrusted(f"the signature does not hold: {error}") from error
    found = [
        one.signed_xml
        for one in results
        if one.signed_xml is not None and one.signed_xml.tag == _tag("TrustServiceStatusList")
    ]
    if len(found) != 1:
        raise TrustedListUntrusted("the signature does not cover the list")
    return found[0]


def _read(root: etree._Element) -> TrustedList:
    scheme = _child(root, "SchemeInformation")
    if _text(scheme, "TSLVersionIdentifier") not in _VERSIONS:
        raise ValueError("another version of the format")
    services = tuple(_services(root))
    if len(services) > trusted_list.MAX_SERVICES:
        raise ValueError("too many services")
    update = scheme.find(f"{_tag('NextUpdate')}/{_tag('dateTime')}")
    return TrustedList(
        operator=_name(scheme, "SchemeOperatorName"),
        territory=_text(scheme, "SchemeTerritory"),
        sequence_number=int(_text(scheme, "TSLSequenceNumber")),
        issued_at=_moment(_text(scheme, "ListIssueDateTime")),
        next_update=None if update is None else _moment(update.text or ""),
        services=services,
    )


def _services(root: etree._Element) -> Iterator[ListedService]:
    providers = f"{_tag('TrustServiceProviderList')}/{_tag('TrustServiceProvider')}"
    for provider in root.iterfind(providers):
        name = _name(_child(provider, "TSPInformation"), "TSPName")
        for service in provider.iterfind(f"{_tag('TSPServices')}/{_tag('TSPService')}"):
            current = _child(service, "ServiceInformation")
            certificates = tuple(dict.fromkeys(_certificates(current)))
            if not certificates or _says_what_we_do_not_know(current):
                continue  # nothing to be trusted by, or not by our rules
            history = f"{_tag('ServiceHistory')}/{_tag('ServiceHistoryInstance')}"
            periods = [_period(one) for one in (current, *service.iterfind(history))]
            periods.sort(key=lambda one: one.since, reverse=True)
            yield ListedService(name, _name(current, "ServiceName"), certificates, tuple(periods))


def _certificates(service: etree._Element) -> Iterator[bytes]:
    identity = _child(service, "ServiceDigitalIdentity")
    for one in identity.iterfind(f"{_tag('DigitalId')}/{_tag('X509Certificate')}"):
        yield b64decode("".join((one.text or "").split()), validate=True)


def _says_what_we_do_not_know(service: etree._Element) -> bool:
    extensions = f"{_tag('ServiceInformationExtensions')}/{_tag('Extension')}"
    return any(
        extension.get("Critical") in {"true", "1"}
        and any(etree.QName(part).localname not in _EXTENSIONS for part in extension.iterchildren())
        for extension in service.iterfind(extensions)
    )


def _period(service: etree._Element) -> StatusPeriod:
    kind = _text(service, "ServiceTypeIdentifier").partition("/Svctype/")[2]
    status = _text(service, "ServiceStatus").rstrip("/").rpartition("/")[2]
    return StatusPeriod(kind, status, _moment(_text(service, "StatusStartingTime")))


def _tag(name: str) -> str:
    return f"{{{LIST}}}{name}"


def _child(parent: etree._Element, name: str) -> etree._Element:
    found = parent.find(_tag(name))
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def _text(parent: etree._Element, name: str) -> str:
    return (_child(parent, name).text or "").strip()


def _name(parent: etree._Element, name: str) -> str:
    """Give a name in English, or else in the language that comes first."""
    found = [one for one in _child(parent, name).iterfind(_tag("Name")) if one.text]
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    english = [one for one in found if (one.get(language) or "").startswith("en")]
    return ((english or found)[0].text or "").strip() if found else ""


def _moment(text: str) -> datetime:
    """Read an xs:dateTime; without a zone it is UTC, as the standard demands."""
    found = datetime.fromisoformat(text.strip())
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
