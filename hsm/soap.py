"""SOAP envelopes: written and read without a framework, and read as what a stranger sent.

A document type, an entity, a processing instruction or more bytes than a limit are refused, and
nothing is ever loaded from elsewhere. What is not an envelope is a SoapInvalid with the reason.
"""

from typing import Final, TypeAlias

from lxml import etree  # type: ignore[import-untyped]  # it ships no annotations

ENVELOPES: Final = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}
CONTENT_TYPES: Final = {"1.1": "text/xml", "1.2": "application/soap+xml"}
MAX_ENVELOPE: Final = 256 * 1024
"""Bytes; a signature with its certificate chain is some 20 kB."""
MAX_DEPTH: Final = 64
_XML_SPACE: Final = " \t\r\n"

Element: TypeAlias = "etree._Element"  # noqa: SLF001 -- lxml has no other name for it


class SoapInvalid(Exception):
    """It is no SOAP message that is accepted here; stays inside the caller's protocol."""


class SoapFault(Exception):
    """The other side answered with a fault. `codes` are the local parts of its codes."""

    def __init__(self, codes: tuple[str, ...], reason: str) -> None:
        super().__init__(reason)
        self.codes = codes
        self.reason = reason


def envelope(payload: Element, *, version: str) -> bytes:
    """Put a message into an envelope."""
    namespace = ENVELOPES[version]
    root = etree.Element(f"{{{namespace}}}Envelope", nsmap={"soap": namespace})
    etree.SubElement(root, f"{{{namespace}}}Body").append(payload)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def parse(content: bytes) -> Element:
    """Parse XML that a stranger sent; raises SoapInvalid."""
    if len(content) > MAX_ENVELOPE:
        raise SoapInvalid(f"it is longer than {MAX_ENVELOPE} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SoapInvalid("it is not well-formed XML") from error
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise SoapInvalid("it has a document type, which SOAP forbids")
    _check_nodes(root)
    return root


def _check_nodes(root: Element) -> None:
    depth = 0
    for event, node in etree.iterwalk(root, events=("start", "end", "pi")):
        if event == "pi" or not isinstance(node.tag, str):
            raise SoapInvalid("it has entities or processing instructions")
        depth += 1 if event == "start" else -1
        if depth > MAX_DEPTH:
            raise SoapInvalid("its elements are nested too deeply")


def body_of(content: bytes) -> Element:
    """Give the one element in the body; raises SoapInvalid, or SoapFault when it is a fault."""
    root = parse(content)
    namespace = etree.QName(root).namespace
    if namespace not in ENVELOPES.values() or etree.QName(root).localname != "Envelope":
        raise SoapInvalid("it is not a SOAP envelope")
    bodies = root.findall(f"{{{namespace}}}Body")
    if len(bodies) != 1 or len(bodies[0]) != 1:
        raise SoapInvalid("its body does not hold one element")
    payload = bodies[0][0]
    if payload.tag == f"{{{namespace}}}Fault":
        raise _fault(payload, namespace)
    return payload


def _fault(fault: Element, namespace: str) -> SoapFault:
    codes = [text_of(node) for node in fault.iter(f"{{{namespace}}}Value")]
    codes += [text_of(node) for node in fault.findall("faultcode")]
    reasons = [text_of(node) for node in fault.iter(f"{{{namespace}}}Text")]
    reasons += [text_of(node) for node in fault.findall("faultstring")]
    # the status stands in Subcode/Value, as a qualified name such as mss:_401
    local = tuple(code.rpartition(":")[2].lstrip("_") for code in codes)
    return SoapFault(local, " ".join(reasons)[:300])


def text_of(node: Element) -> str:
    """Give an element's own text without the white space around it."""
    return str(node.text or "").strip(_XML_SPACE)
