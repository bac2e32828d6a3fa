"""The operator's side of ETSI TS 102 204: the three messages a signature needs, over SOAP.

Answers are given in the dialect of the question: its envelope, its wrapper, its namespaces.
"""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lxml import etree  # type: ignore[import-untyped]  # it ships no annotations

from api.simulator.operator import Asked, Outcome, Transaction, Unknown
from hsm.digest_info import digest_info
from hsm.soap import CONTENT_TYPES, ENVELOPES, SoapFault, SoapInvalid, body_of, envelope, text_of

if TYPE_CHECKING:
    from api.simulator.operator import Operator
    from hsm.soap import Element

NAMESPACE: Final = "http://uri.etsi.org/TS102204/v1.1.2#"
MAX_SECONDS: Final = 900
_POLL: Final = 0.02
_LONG_NUMBER: Final = 6
_HASHES: Final = {32: "sha256", 48: "sha384", 64: "sha512"}
_SIGNED: Final = frozenset({Outcome.SIGNED, Outcome.WRONG_SIGNATURE})


@dataclass(frozen=True, slots=True)
class SoapReply:
    """Status, content type and body of an HTTP answer."""

    status: int
    media_type: str
    body: bytes


class _Refused(Exception):
    """A status code that ends the exchange with a fault."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapService:
    """Answers envelopes. `partners` are the callers and their passwords; empty: anybody."""

    operator: Operator
    partners: dict[str, str]

    def answer(self, content: bytes) -> SoapReply:
        """Answer one envelope; takes as long as the person does for a synchronous request."""
        version = "1.1" if ENVELOPES["1.1"].encode() in content[:2000] else "1.2"
        try:
            payload = body_of(content)
            request = _request(payload)
            self._check_caller(request)
            response = self._respond(request)
        except (SoapInvalid, SoapFault) as error:
            return _fault("101", str(error), version)
        except Unknown:
            return _fault("105", "UNKNOWN_CLIENT", version)
        except _Refused as error:
            return _fault(error.code, str(error), version)
        wrapped = _wrapped(payload, request, response)
        return SoapReply(200, CONTENT_TYPES[version], envelope(wrapped, version=version))

    def _check_caller(self, request: Element) -> None:
        info = _one(request, "AP_Info")
        password = self.partners.get(info.get("AP_ID", ""))
        if self.partners and password != info.get("AP_PWD"):
            raise _Refused("104", "UNAUTHORIZED_ACCESS")

    def _respond(self, request: Element) -> Element:
        kind = etree.QName(request).localname
        if kind == "MSS_SignatureReq":
            return self._signature(request)
        if kind == "MSS_StatusReq":
            state = self.operator.state(request.get("MSSP_TransID", ""))
            return self._state(request, "MSS_StatusResp", state)
        if kind == "MSS_RegistrationReq":
            return self._registration(request)
        raise _Refused("108", "INCOMPATIBLE_INTERFACE")

    def _signature(self, request: Element) -> Element:
        hash_name, digest = _hash(_one(request, "DataToBeSigned"))
        info = _one(request, "AP_Info")
        asked = Asked(
            msisdn=_msisdn(request),
            hash_name=hash_name,
            digest=digest,
            text=text_of(_one(request, "DataToBeDisplayed")),
            seconds=_seconds(request.get("TimeOut", "120")),
            shared=info.get("AP_TransID"),
        )
        made = self.operator.ask(asked)
        if request.get("MessagingMode") == "synch":
            while (state := self.operator.state(made.id)).outcome is None:
                time.sleep(_POLL)
            return self._state(request, "MSS_SignatureResp", state)
        return self._accepted(request, made)

    def _accepted(self, request: Element, made: Transaction) -> Element:
        response = _response(request, "MSS_SignatureResp", made.id)
        _user(response, made.asked.msisdn)
        _status(response, "100", "REQUEST_OK")
        return response

    def _state(self, request: Element, name: str, state: Transaction) -> Element:
        response = _response(request, name, state.id)
        _user(response, state.asked.msisdn)
        if state.outcome is None:
            _status(response, "504", "OUTSTANDING_TRANSACTION")
            return response
        if state.outcome not in _SIGNED or state.signature is None:
            raise _Refused(state.outcome.value, state.outcome.name)
        signature = _add(response, "MSS_Signature")
        _add(signature, "Base64Signature", base64.b64encode(state.signature).decode())
        _status(response, "500", "SIGNATURE", self._certificate(state.asked.msisdn))
        return response

    def _registration(self, request: Element) -> Element:
        response = _response(request, "MSS_RegistrationResp", None)
        certificate = self._certificate(_msisdn(request))
        if certificate is None:
            raise _Refused("404", "NO_KEY_FOUND")
        _status(response, "408", "REGISTRATION_OK", certificate)
        return response

    def _certificate(self, msisdn: str) -> bytes | None:
        return self.operator.phone(msisdn).certificate


def _request(payload: Element) -> Element:
    for node in (payload, *payload):
        if etree.QName(node).localname.startswith("MSS_") and len(
            node.findall(f"{{{NAMESPACE}}}AP_Info")
        ):
            return node
    raise SoapInvalid("there is no message of TS 102 204 in it")


def _hash(data: Element) -> tuple[str, bytes]:
    """Take the hash out of what is to be signed: a DigestInfo, or the hash itself."""
    try:
        given = base64.b64decode(text_of(data), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _Refused("101", "DataToBeSigned is not base64") from error
    for size, name in _HASHES.items():
        digest = given[-size:]
        if len(digest) == size and given in {digest, digest_info(name, digest)}:
            return name, digest
    raise _Refused("103", "WRONG_DATA_LENGTH")


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < _LONG_NUMBER):
        raise _Refused("101", "TimeOut is no number of seconds")
    return min(int(text), MAX_SECONDS)


def _msisdn(request: Element) -> str:
    digits = text_of(_one(_one(request, "MobileUser"), "MSISDN")).removeprefix("+")
    return f"+84{digits[1:]}" if digits.startswith("0") else f"+{digits}"


def _one(parent: Element, name: str) -> Element:
    found = parent.findall(f"{{{NAMESPACE}}}{name}")
    if len(found) != 1:
        raise _Refused("102", f"{name} is missing")
    return found[0]


def _add(parent: Element, name: str, text: str | None = None, **attributes: str) -> Element:
    node = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    node.text = text
    return node


def _response(request: Element, name: str, transaction: str | None) -> Element:
    qualified = etree.QName(request).namespace
    tag = f"{{{NAMESPACE}}}{name}" if qualified else name
    attributes = {"MajorVersion": "1", "MinorVersion": "1"}
    if transaction is not None:
        attributes["MSSP_TransID"] = transaction
    response = etree.Element(tag, attributes, nsmap={"mss": NAMESPACE})
    asked = _one(request, "AP_Info")
    _add(
        response,
        "AP_Info",
        AP_ID=asked.get("AP_ID", ""),
        AP_TransID=asked.get("AP_TransID", ""),
        AP_PWD="",
        Instant=asked.get("Instant", ""),
    )
    mssp = _add(response, "MSSP_Info", Instant=datetime.now(UTC).isoformat())
    _add(_add(mssp, "MSSP_ID"), "URI", "http://operator.example/")
    return response


def _user(response: Element, msisdn: str) -> None:
    _add(_add(response, "MobileUser"), "MSISDN", msisdn)


def _status(response: Element, code: str, message: str, certificate: bytes | None = None) -> None:
    status = _add(response, "Status")
    _add(status, "StatusCode", Value=code)
    _add(status, "StatusMessage", message)
    if certificate is not None:
        found = _add(_add(status, "StatusDetail"), "CertificateResponse")
        _add(found, "X509Certificate", base64.b64encode(certificate).decode())


def _wrapped(payload: Element, request: Element, response: Element) -> Element:
    if payload is request:
        return response
    name = etree.QName(payload)
    tag = f"{name.localname}Response"
    outer = etree.Element(f"{{{name.namespace}}}{tag}" if name.namespace else tag)
    outer.append(response)
    return outer


def _fault(code: str, reason: str, version: str) -> SoapReply:
    namespace = ENVELOPES[version]
    fault = etree.Element(f"{{{namespace}}}Fault", nsmap={"soap": namespace, "mss": NAMESPACE})
    if version == "1.1":
        etree.SubElement(fault, "faultcode").text = f"mss:_{code}"
        etree.SubElement(fault, "faultstring").text = reason
    else:
        outer = etree.SubElement(fault, f"{{{namespace}}}Code")
        etree.SubElement(outer, f"{{{namespace}}}Value").text = "soap:Receiver"
        inner = etree.SubElement(outer, f"{{{namespace}}}Subcode")
        etree.SubElement(inner, f"{{{namespace}}}Value").text = f"mss:_{code}"
        told = etree.SubElement(fault, f"{{{namespace}}}Reason")
        etree.SubElement(told, f"{{{namespace}}}Text").text = reason
    return SoapReply(500, CONTENT_TYPES[version], envelope(fault, version=version))
