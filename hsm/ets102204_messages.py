"""The three messages of ETSI TS 102 204 that a signature needs, as XML.

They are signature, status and registration. Elements stand in the order
of its schema (clause 7 and annex B).
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from lxml import etree  # type: ignore[import-untyped]  # it ships no annotations

from hsm.ets102204_profile import Profile
from hsm.refusals import Refusal, refused
from hsm.secret import Secret
from hsm.soap import Element, SoapInvalid, text_of

_VERSION: Final = {"MajorVersion": "1", "MinorVersion": "1"}


class Message(StrEnum):
    """The kinds of message."""

    SIGNATURE = "Signature"
    STATUS = "Status"
    REGISTRATION = "Registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks (AP_Info) and which operator is asked (MSSP_Info)."""

    ap_id: str
    password: Secret
    mssp_id: str
    transaction: str
    instant: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureWish:
    """What the phone is to show and to sign; `seconds` is how long its holder has."""

    msisdn: str
    data: bytes
    text: str
    code: str
    seconds: int
    key_reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an answer says. The certificate is the one the operator signed with, where it says."""

    status: str
    message: str
    mssp_transaction: str | None = None
    ap_transaction: str | None = None
    signature: bytes | None = None
    certificate: bytes | None = None


class Messages:
    """Writes and reads messages in one operator's dialect."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def signature_request(self, caller: Caller, wish: SignatureWish) -> Element:
        """MSS_SignatureReq (clause 7.3.1)."""
        profile = self._profile
        attributes = {"MessagingMode": profile.messaging.value, "TimeOut": str(wish.seconds)}
        outer, request = self._request(Message.SIGNATURE, attributes)
        self._identities(request, caller, wish.msisdn)
        encoded = base64.b64encode(wish.data).decode()
        self._add(
            request,
            "DataToBeSigned",
            encoded,
            {"MimeType": profile.mime_type, "Encoding": profile.encoding},
        )
        shown = profile.display.format(text=wish.text, code=wish.code)
        self._add(
            request,
            "DataToBeDisplayed",
            shown,
            {"MimeType": "text/plain", "Encoding": "UTF-8"},
        )
        if profile.signature_profile:
            self._uri(self._add(request, "SignatureProfile"), profile.signature_profile)
        if profile.services:
            services = self._add(request, "AdditionalServices")
            for service in profile.services:
                description = self._add(self._add(services, "Service"), "Description")
                self._uri(description, service)
        if profile.format:
            self._uri(self._add(request, "MSS_Format"), profile.format)
        if wish.key_reference:
            reference = self._add(request, "KeyReference")
            self._add(reference, "CertificateURL", wish.key_reference)
        return outer

    def status_request(self, caller: Caller, mssp_transaction: str) -> Element:
        """MSS_StatusReq (clause 7.6.1)."""
        outer, request = self._request(Message.STATUS, {"MSSP_TransID": mssp_transaction})
        self._identities(request, caller, None)
        return outer

    def registration_request(self, caller: Caller, msisdn: str) -> Element:
        """MSS_RegistrationReq (clause 7.5.1), sent to learn the certificate of a phone."""
        outer, request = self._request(Message.REGISTRATION, {})
        self._identities(request, caller, msisdn)
        return outer

    def read(self, payload: Element, message: Message) -> Reply:
        """Read the answer to a message; raises SoapInvalid."""
        response = self._response(payload, message)
        status = self._one(response, "Status")
        code = self._one(status, "StatusCode").get("Value", "")
        text = status.find(self._name("StatusMessage"))
        return Reply(
            status=code,
            message=text_of(text)[:300] if text is not None else "",
            mssp_transaction=response.get("MSSP_TransID"),
            ap_transaction=self._one(response, "AP_Info").get("AP_TransID"),
            signature=self._signature(response),
            certificate=_certificate(response),
        )

    def _response(self, payload: Element, message: Message) -> Element:
        """Find the response itself or in one wrapper, qualified or not as dialects differ."""
        names = {self._name(f"MSS_{message}Resp"), f"MSS_{message}Resp"}
        for node in (payload, *payload):
            if node.tag in names:
                return node
        raise SoapInvalid(f"there is no MSS_{message}Resp of {self._profile.namespace} in it")

    def _signature(self, response: Element) -> bytes | None:
        found = response.find(f"{self._name('MSS_Signature')}/{self._name('Base64Signature')}")
        return None if found is None else _decoded(text_of(found))

    def _request(self, message: Message, attributes: Mapping[str, str]) -> tuple[Element, Element]:
        profile = self._profile
        name = f"MSS_{message}Req"
        request = etree.Element(
            self._name(name) if profile.qualified else name,
            {**_VERSION, **attributes},
            nsmap={"mss": profile.namespace},
        )
        if not profile.wrapper:
            return request, request
        wrapper_name = profile.wrapper.format(message=message.value)
        namespace = profile.wrapper_namespace
        outer = etree.Element(f"{{{namespace}}}{wrapper_name}" if namespace else wrapper_name)
        outer.append(request)
        return outer, request

    def _identities(self, request: Element, caller: Caller, msisdn: str | None) -> None:
        self._add(
            request,
            "AP_Info",
            None,
            {
                "AP_ID": caller.ap_id,
                "AP_TransID": caller.transaction,
                "AP_PWD": caller.password.reveal_text(),
                "Instant": caller.instant.isoformat(timespec="milliseconds"),
            },
        )
        mssp = self._add(self._add(request, "MSSP_Info"), "MSSP_ID")
        self._add(mssp, "URI", caller.mssp_id)
        if msisdn is not None:
            user = self._add(request, "MobileUser")
            self._add(user, "MSISDN", self._profile.number(msisdn))

    def _uri(self, parent: Element, uri: str) -> None:
        self._add(parent, "mssURI", uri)

    def _add(
        self,
        parent: Element,
        name: str,
        text: str | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> Element:
        node = etree.SubElement(parent, self._name(name), dict(attributes or {}))
        try:
            node.text = text
        except ValueError as error:
            raise refused(Refusal.BAD_REQUEST, f"{name} cannot be written as XML") from error
        return node

    def _one(self, parent: Element, name: str) -> Element:
        found = parent.findall(self._name(name))
        if len(found) != 1:
            raise SoapInvalid(f"there is not one {name} of {self._profile.namespace} in it")
        return found[0]

    def _name(self, local: str) -> str:
        return f"{{{self._profile.namespace}}}{local}"


def _certificate(response: Element) -> bytes | None:
    """Find the first certificate; dialects put it at different places and in other namespaces."""
    for node in _named(response, "X509Certificate"):
        return _decoded(text_of(node))
    return None


def _named(root: Element, local: str) -> Iterator[Element]:
    for node in root.iter():
        if etree.QName(node).localname == local:
            yield node


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SoapInvalid("a value is not base64") from error
