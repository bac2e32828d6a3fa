"""The report as ETSI TS 119 102-2 XML (namespace v1.2.1), for machines of others.

What the standard has a place for stands there; the nine criteria, the decision and the messages
follow in elements of our own namespace, which the schema allows at the end of each report.
"""

import base64
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from pdf.report import JSON
from pdf.report_rows import Part, Report, part, parts

REPORT = "http://uri.etsi.org/19102/v1.2.1#"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
OWN = "urn:antin:verification-report:1"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_PREFIXES = {"": REPORT, "ds": SIGNATURE, "xades": XADES, "antin": OWN}
_MAIN = {
    "TOTAL_PASSED": "urn:etsi:019102:mainindication:total-passed",
    "TOTAL_FAILED": "urn:etsi:019102:mainindication:total-failed",
    "INDETERMINATE": "urn:etsi:019102:mainindication:indeterminate",
    "NO_SIGNATURE": "urn:antin:mainindication:no-signature",
    "NOT_A_PDF": "urn:antin:mainindication:not-a-pdf",
}
_OF_OBJECT = {
    "TOTAL_PASSED": "urn:etsi:019102:mainindication:passed",
    "TOTAL_FAILED": "urn:etsi:019102:mainindication:failed",
}
"""In the report on an object, such as a time-stamp (TS 119 102-2 clause 4.4.8)."""
_REASONS = {
    reason: f"urn:etsi:019102:revocationReason:{word}"
    for reason, word in (
        ("unspecified", "unspecified"),
        ("key_compromise", "keyCompromise"),
        ("ca_compromise", "cACompromise"),
        ("affiliation_changed", "affiliationChanged"),
        ("superseded", "superseded"),
        ("cessation_of_operation", "cessationOfOperation"),
        ("certificate_hold", "certificateHold"),
        ("privilege_withdrawn", "privilegeWithdrawn"),
    )
}
_PROCESS = "urn:etsi:019102:validationprocess:"
_PROCESSES = {"B-T": "LTVM", "B-LT": "LTVM", "B-LTA": "LTA"}
_PROOF = "urn:etsi:019102:poetype:validation"


def xml(report: Report) -> bytes:
    """Write the report; a file without signatures gives one entry that says so."""
    for prefix, space in _PREFIXES.items():
        if prefix:
            register_namespace(prefix, space)
    root = Element(_tag("ValidationReport"), {"xmlns": REPORT})
    objects = Element(_tag("SignatureValidationObjects"))
    signatures = parts(report, "signatures")
    for signature in signatures:
        root.append(_signature(report, signature, objects))
    if not signatures:
        empty = SubElement(root, _tag("SignatureValidationReport"))
        _document(empty, report)
        _status(empty, report)
        _own(empty, report, None)
    if len(objects):
        root.append(objects)
    for element in root.iter():
        # One default namespace, declared once at the root.
        element.tag = element.tag.removeprefix(f"{{{REPORT}}}")
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _tag(name: str, space: str = REPORT) -> str:
    return f"{{{space}}}{name}"


def _child(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    element = SubElement(parent, _tag(name), attributes)
    element.text = None if text is None else clean(text)
    return element


def clean(text: str) -> str:
    """Drop characters that XML 1.0 cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff"))


def _signature(report: Report, signature: Part, objects: Element) -> Element:
    number = int(str(signature["index"]))
    entry = Element(_tag("SignatureValidationReport"))
    identifier = _child(entry, "SignatureIdentifier", id=f"S-{number}")
    _child(identifier, "HashOnly", "false")
    _child(identifier, "DocHashOnly", "false")
    if signature["field"]:
        _child(identifier, "DAIdentifier", str(signature["field"]))
    certificate = _certificate(signature, number, objects)
    stamps = list(_timestamps(signature, number, objects))
    _times(entry, report, signature, stamps)
    _document(entry, report)
    _attributes(entry, signature, stamps)
    if certificate:
        information = _child(entry, "SignerInformation")
        _child(information, "SignerCertificate", VOReference=certificate)
        _child(information, "Signer", str(part(signature, "signer")["subject"]))
    process = _child(entry, "SignatureValidationProcess")
    kind = _PROCESSES.get(str(signature["level"]), "Basic")
    _child(process, "SignatureValidationProcessID", _PROCESS + kind)
    status = _status(entry, signature)
    if certificate:
        data = _child(status, "AssociatedValidationReportData")
        chain = _child(data, "CertificateChain")
        _child(chain, "SigningCertificate", VOReference=certificate)
        _revocation(data, signature, certificate)
    _own(entry, report, signature)
    return entry


def _certificate(signature: Part, number: int, objects: Element) -> str:
    """List the signer's certificate by its digest; gives the id, empty when there is none."""
    signer = part(signature, "signer")
    if not signer:
        return ""
    digest = bytes.fromhex(str(signer["sha256_fingerprint"]))
    name = f"C-{number}"
    _object(objects, name, "certificate", digest)
    return name


def _object(objects: Element, name: str, kind: str, digest: bytes | None) -> Element:
    entry = _child(objects, "ValidationObject", id=name)
    _child(entry, "ObjectType", f"urn:etsi:019102:validationObject:{kind}")
    shown = _child(entry, "ValidationObjectRepresentation")
    if digest is None:
        _child(shown, "URI", f"urn:antin:object:{name}")
    else:
        _digest(shown, digest)
    return entry


def _digest(parent: Element, digest: bytes) -> None:
    both = _child(parent, "DigestAlgAndValue")
    SubElement(both, _tag("DigestMethod", SIGNATURE), {"Algorithm": SHA256})
    SubElement(both, _tag("DigestValue", SIGNATURE)).text = base64.b64encode(digest).decode()


def _timestamps(signature: Part, number: int, objects: Element) -> Iterator[tuple[Part, str]]:
    for index, stamp in enumerate(parts(signature, "timestamps")):
        name = f"T-{number}-{index}"
        entry = _object(objects, name, "timestamp", None)
        inner = _child(entry, "ValidationReport")
        _status(inner, stamp, main=_MAIN | _OF_OBJECT)
        yield stamp, name


def _times(entry: Element, report: Report, signature: Part, stamps: list[tuple[Part, str]]) -> None:
    times = _child(entry, "ValidationTimeInfo")
    _child(times, "ValidationTime", str(report["validation_time"]))
    best = _child(times, "BestSignatureTime")
    proven = part(signature, "time").get("proven")
    _child(best, "POETime", str(proven or report["validation_time"]))
    _child(best, "TypeOfProof", _PROOF)
    proof = next((name for stamp, name in stamps if proven and stamp["time"] == proven), None)
    if proof:
        _child(best, "POEObject", VOReference=proof)


def _document(entry: Element, report: Report) -> None:
    if report["sha256"]:
        _digest(_child(entry, "SignersDocument"), bytes.fromhex(str(report["sha256"])))


def _attributes(entry: Element, signature: Part, stamps: list[tuple[Part, str]]) -> None:
    attributes = Element(_tag("SignatureAttributes"))
    claimed = part(signature, "time").get("claimed")
    if claimed:
        signed = _child(attributes, "SigningTime", Signed="true")
        _child(signed, "Time", str(claimed))
    for stamp, name in stamps:
        kind = "SignatureTimeStamp" if stamp["kind"] == "signature" else "DocTimeStamp"
        if stamp["time"]:
            found = _child(attributes, kind, Signed="false")
            _child(found, "AttributeObject", VOReference=name)
            _child(found, "TimeStampValue", str(stamp["time"]))
    if signature["sub_filter"]:
        _child(
            _child(attributes, "SubFilter", Signed="true"),
            "SubFilterElement",
            str(signature["sub_filter"]),
        )
    if len(attributes):
        entry.append(attributes)


def _status(entry: Element, judged: Part, *, main: Mapping[str, str] = _MAIN) -> Element:
    status = _child(entry, "SignatureValidationStatus")
    _child(status, "MainIndication", main[str(judged["indication"])])
    sub = judged.get("sub_indication")
    if sub:
        _child(status, "SubIndication", f"urn:etsi:019102:subindication:{sub}")
    return status


def _revocation(data: Element, signature: Part, certificate: str) -> None:
    revocation = part(signature, "revocation")
    if revocation.get("revoked_at"):
        found = _child(data, "RevocationStatusInformation")
        _child(found, "ValidationObjectId", VOReference=certificate)
        _child(found, "RevocationTime", str(revocation["revoked_at"]))
        reason = str(revocation["reason"] or "")
        if reason:
            own = f"urn:antin:revocation-reason:{reason}"
            _child(found, "RevocationReason", _REASONS.get(reason, own))


def _own(entry: Element, report: Report, signature: Part | None) -> None:
    """Add what the standard has no place for."""
    decision = part(report, "decision")
    own = SubElement(entry, _tag("Decision", OWN), {"accept": _word(decision["accept"])})
    for one in parts(decision, "reasons"):
        _told(own, "Reason", one)
    if signature is None:
        return
    criteria = SubElement(entry, _tag("Criteria", OWN))
    for code, state in part(signature, "criteria").items():
        SubElement(criteria, _tag("Criterion", OWN), {"code": code, "status": str(state)})
    messages = parts(signature, "messages")
    if messages:
        told = SubElement(entry, _tag("Messages", OWN))
        for one in messages:
            _told(told, "Message", one)


def _told(parent: Element, name: str, one: Part) -> None:
    attributes = {key: str(one[key]) for key in ("code", "level") if key in one}
    element = SubElement(parent, _tag(name, OWN), attributes)
    for language in ("vi", "en"):
        SubElement(element, _tag("Text", OWN), {"lang": language}).text = clean(str(one[language]))


def _word(value: JSON) -> str:
    return "true" if value else "false"
