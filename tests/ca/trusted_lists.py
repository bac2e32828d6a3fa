"""Trusted lists of ETSI TS 119 612 made in code, and signed as their operators sign them."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml import methods
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.xades.xades import XAdESSigner

from tests.ca.hierarchy import NOW, Entity, root

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_WITH = {
    "sha1": f"{DS}rsa-sha1",
    "sha256": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
}
URI = "http://uri.etsi.org/TrstSvc"
DAY = timedelta(days=1)
Period = tuple[str, datetime]
"""A status and since when."""


@dataclass(kw_only=True)
class Service:
    """One service; the last period is the present status."""

    entity: Entity
    periods: Sequence[Period] = (("granted", NOW - 700 * DAY),)
    kind: str = "CA/PKC"
    extension: str = ""


@dataclass(kw_only=True)
class List:
    """A list, and how it is written down."""

    services: Sequence[Service] = field(default_factory=tuple)
    sequence: int = 1
    issued: datetime = NOW - DAY
    update: datetime | None = NOW + 30 * DAY
    territory: str = "VN"
    version: str = "5"
    prologue: str = ""

    def xml(self) -> bytes:
        services = "".join(map(_service, self.services))
        update = f"<dateTime>{_time(self.update)}</dateTime>" if self.update else ""
        return f"""{self.prologue}<TrustServiceStatusList
 xmlns="http://uri.etsi.org/02231/v2#" Id="list" TSLTag="http://uri.etsi.org/19612/TSLTag">
<SchemeInformation>
<TSLVersionIdentifier>{self.version}</TSLVersionIdentifier>
<TSLSequenceNumber>{self.sequence}</TSLSequenceNumber>
<TSLType>{URI}/TrustedList/TSLType/EUgeneric</TSLType>
<SchemeOperatorName><Name xml:lang="vi">Cơ quan quản lý</Name><Name xml:lang="en">Operator</Name>
</SchemeOperatorName>
<SchemeTerritory>{self.territory}</SchemeTerritory>
<ListIssueDateTime>{_time(self.issued)}</ListIssueDateTime>
<NextUpdate>{update}</NextUpdate>
</SchemeInformation>
<TrustServiceProviderList><TrustServiceProvider>
<TSPInformation><TSPName><Name xml:lang="vi">Nhà cung cấp</Name></TSPName></TSPInformation>
<TSPServices>{services}</TSPServices>
</TrustServiceProvider></TrustServiceProviderList>
</TrustServiceStatusList>""".encode()


def _service(one: Service) -> str:
    certificate = b64encode(one.entity.der).decode()
    identity = f"<DigitalId><X509Certificate>{certificate}</X509Certificate></DigitalId>"
    *history, now = one.periods
    extension = f"<ServiceInformationExtensions>{one.extension}</ServiceInformationExtensions>"
    facts = _facts(one.kind, now, identity) + (extension if one.extension else "")
    past = "".join(
        f"<ServiceHistoryInstance>{_facts(one.kind, each, '')}</ServiceHistoryInstance>"
        for each in reversed(history)
    )
    return (
        f"<TSPService><ServiceInformation>{facts}</ServiceInformation>"
        f"<ServiceHistory>{past}</ServiceHistory></TSPService>"
    )


def _facts(kind: str, period: Period, identity: str) -> str:
    status, since = period
    return (
        f"<ServiceTypeIdentifier>{URI}/Svctype/{kind}</ServiceTypeIdentifier>"
        '<ServiceName><Name xml:lang="en">Service</Name></ServiceName>'
        f"<ServiceDigitalIdentity>{identity}</ServiceDigitalIdentity>"
        f"<ServiceStatus>{URI}/TrustedList/Svcstatus/{status}</ServiceStatus>"
        f"<StatusStartingTime>{_time(since)}</StatusStartingTime>"
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def operator() -> Entity:
    """Whoever signs the list."""
    return root("Cơ quan quản lý", key=rsa.generate_private_key(65537, 2048))


def signed(source: List | bytes, *, by: Entity | None = None, digest: str = "sha256") -> bytes:
    """Sign a list as operators do: enveloped XAdES, exclusive canonical XML, the whole document."""
    who = by or operator()
    root_element = etree.fromstring(source.xml() if isinstance(source, List) else source)
    properties = (
        f'<xades:SignedProperties xmlns:xades="{XADES}" xmlns:ds="{DS}" Id="properties">'
        f"<xades:SignedSignatureProperties><xades:SigningTime>{_time(NOW)}</xades:SigningTime>"
        f"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f"{_digested(who.der)}</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
        "</xades:SignedSignatureProperties></xades:SignedProperties>"
    )
    references = _reference(
        "", _canonical(root_element), f'<ds:Transform Algorithm="{ENVELOPED}"/>'
    )
    references += _reference(
        "#properties",
        _canonical(etree.fromstring(properties)),
        kind=' Type="http://uri.etsi.org/01903#SignedProperties"',
    )
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f'<ds:SignatureMethod Algorithm="{RSA_WITH[digest]}"/>{references}</ds:SignedInfo>'
    )
    assert isinstance(who.key, rsa.RSAPrivateKey)
    chosen = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[digest]  # noqa: S303 -- on purpose
    value = who.key.sign(_canonical(etree.fromstring(info)), padding.PKCS1v15(), chosen)
    signature = (
        f'<ds:Signature xmlns:ds="{DS}" Id="signature">{info}'
        f"<ds:SignatureValue>{_text(value)}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{_text(who.der)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#signature">'
        f"{properties}</xades:QualifyingProperties></ds:Object></ds:Signature>"
    )
    root_element.append(etree.fromstring(signature))
    return etree.tostring(root_element, xml_declaration=True, encoding="UTF-8")


def _reference(uri: str, data: bytes, transform: str = "", kind: str = "") -> str:
    return (
        f'<ds:Reference URI="{uri}"{kind}><ds:Transforms>{transform}'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
        f"{_digested(data)}</ds:Reference>"
    )


def _digested(data: bytes) -> str:
    value = _text(hashlib.sha256(data).digest())
    return (
        f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{SHA256}"/>'
        f'<ds:DigestValue xmlns:ds="{DS}">{value}</ds:DigestValue>'
    )


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def signed_otherwise(source: List) -> bytes:
    """Sign a list with a library: other canonical XML, a reference by id, and one to the key."""
    signer = XAdESSigner(
        method=methods.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
    )
    who = operator()
    made = signer.sign(etree.fromstring(source.xml()), key=who.key, cert=[who.cert])
    return etree.tostring(made)
