"""Name constraints (RFC 5280 4.2.1.10): which names the certificates below a CA may carry."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509

from ca.certificate_fields import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ca.certificate_fields import CanonicalName
    from ca.parsed_certificates import ParsedCertificate

_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
_UNDERSTOOD = (
    x509.DirectoryName,
    x509.RFC822Name,
    x509.DNSName,
    x509.UniformResourceIdentifier,
    x509.IPAddress,
)


@dataclass(frozen=True, slots=True)
class NameConstraintState:
    """Constraints gathered so far: every permitted list must allow a name, no excluded one may."""

    permitted: tuple[tuple[x509.GeneralName, ...], ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()

    def narrowed(self, link: ParsedCertificate) -> NameConstraintState:
        """Add the constraints of a CA certificate (RFC 5280 6.1.4 (g))."""
        found = link.extension(x509.NameConstraints)
        if found is None:
            return self
        permitted = (*self.permitted, tuple(found.permitted_subtrees or ()))
        return NameConstraintState(
            permitted if found.permitted_subtrees else self.permitted,
            (*self.excluded, *(found.excluded_subtrees or ())),
        )

    def allows(self, link: ParsedCertificate) -> bool:
        """Say whether all names of a certificate are inside (RFC 5280 6.1.3 (b), (c))."""
        if not self.permitted and not self.excluded:
            return True
        return self._allows_subject(link.subject) and all(
            self._allows_name(name) for name in _names_of(link)
        )

    def _allows_subject(self, subject: CanonicalName) -> bool:
        if not subject:
            return True
        if any(_is_below(subject, base) for base in self.excluded):
            return False
        groups = [
            [base for base in group if isinstance(base, x509.DirectoryName)]
            for group in self.permitted
        ]
        return all(not group or any(_is_below(subject, base) for base in group) for group in groups)

    def _allows_name(self, name: x509.GeneralName) -> bool:
        if not isinstance(name, _UNDERSTOOD):
            # A form we cannot compare is refused where a constraint speaks of that form.
            bases = [base for group in self.permitted for base in group]
            return not any(type(base) is type(name) for base in (*bases, *self.excluded))
        if any(_within(name, base) for base in self.excluded if type(base) is type(name)):
            return False
        return all(_permitted_by(name, group) for group in self.permitted)


def _permitted_by(name: x509.GeneralName, group: Sequence[x509.GeneralName]) -> bool:
    bases = [base for base in group if type(base) is type(name)]
    return not bases or any(_within(name, base) for base in bases)


def _names_of(link: ParsedCertificate) -> Iterable[x509.GeneralName]:
    alternative = link.extension(x509.SubjectAlternativeName)
    if alternative is not None:
        yield from alternative
    if alternative is None or not alternative.get_values_for_type(x509.RFC822Name):
        for oid, value in (attribute for part in link.subject for attribute in part):
            if oid == _EMAIL_ADDRESS and isinstance(value, str) and value.isascii():
                yield x509.RFC822Name(value)


def _within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    match name, base:
        case x509.DirectoryName(), x509.DirectoryName():
            return _is_below(canonical_name(name.value.public_bytes()), base)
        case x509.RFC822Name(), x509.RFC822Name():
            return _mailbox_within(name.value, base.value)
        case x509.DNSName(), x509.DNSName():
            return _host_within(name.value, base.value, itself=True)
        case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
            return _uri_within(name.value, base.value)
        case x509.IPAddress(), x509.IPAddress():
            return _address_within(name.value, base.value)
    return False


def _is_below(name: CanonicalName, base: x509.GeneralName) -> bool:
    if not isinstance(base, x509.DirectoryName):
        return False
    above = canonical_name(base.value.public_bytes())
    return name[: len(above)] == above


def _mailbox_within(mailbox: str, base: str) -> bool:
    local, _, host = mailbox.rpartition("@")
    if "@" in base:
        base_local, _, base_host = base.rpartition("@")
        return local.lower() == base_local.lower() and host.lower() == base_host.lower()
    if base.startswith("."):
        return host.lower().endswith(base.lower())
    return not base or host.lower() == base.lower()


def _host_within(host: str, base: str, *, itself: bool) -> bool:
    host, base = host.lower().rstrip("."), base.lower().rstrip(".")
    if not base:
        return True
    return (itself and host == base) or host.endswith("." + base.removeprefix("."))


def _uri_within(uri: str, base: str) -> bool:
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        host = None
    if not host:
        return False
    if base.startswith("."):
        return _host_within(host, base, itself=False)
    return host.lower() == base.lower()


def _address_within(address: object, base: object) -> bool:
    networks = (ipaddress.IPv4Network, ipaddress.IPv6Network)
    addresses = (ipaddress.IPv4Address, ipaddress.IPv6Address)
    return isinstance(address, addresses) and isinstance(base, networks) and address in base
