"""Name constraints (RFC 5280 4.2.1.10): which names the certificates below a CA may carry."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
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


MAX_COMPARISONS: Final = 20_000
"""Names of one certificate times bases above it: some twenty milliseconds. The largest honest
hierarchies have a few hundred bases, and a certificate a handful of names."""


_SUBJECT: Final = x509.DirectoryName(x509.Name([]))
"""Says of which form a subject is; what it holds is compared in canonical form."""


class TooManyComparisons(ValueError):
    """More names and constraints than anybody needs; stays inside this room."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A name or a base, with a directory name in the form in which it is compared."""

    name: x509.GeneralName
    directory: CanonicalName | None

    @classmethod
    def of(cls, name: x509.GeneralName) -> _Form:
        if isinstance(name, x509.DirectoryName):
            return cls(name, canonical_name(name.value.public_bytes()))
        return cls(name, None)


@dataclass(frozen=True, slots=True)
class NameConstraintState:
    """Constraints gathered so far: every permitted list must allow a name, no excluded one may."""

    permitted: tuple[tuple[_Form, ...], ...] = ()
    excluded: tuple[_Form, ...] = ()

    def narrowed(self, link: ParsedCertificate) -> NameConstraintState:
        """Add the constraints of a CA certificate (RFC 5280 6.1.4 (g))."""
        found = link.extension(x509.NameConstraints)
        if found is None:
            return self
        permitted = tuple(map(_Form.of, found.permitted_subtrees or ()))
        return NameConstraintState(
            (*self.permitted, permitted) if permitted else self.permitted,
            (*self.excluded, *map(_Form.of, found.excluded_subtrees or ())),
        )

    def allows(self, link: ParsedCertificate) -> bool:
        """Say whether all names of a certificate are inside (RFC 5280 6.1.3 (b), (c)).

        Raises TooManyComparisons where that is more work than it can be worth.
        """
        bases = sum(map(len, self.permitted)) + len(self.excluded)
        if not bases:
            return True
        names = [_Form.of(name) for name in _names_of(link)]
        if (len(names) + 1) * bases > MAX_COMPARISONS:
            raise TooManyComparisons
        if link.subject:
            names.append(_Form(_SUBJECT, link.subject))
        return all(self._allows_name(name) for name in names)

    def _allows_name(self, name: _Form) -> bool:
        kind = type(name.name)
        if not issubclass(kind, _UNDERSTOOD):
            # A form we cannot compare is refused where a constraint speaks of that form.
            bases = [base for group in self.permitted for base in group]
            return not any(type(base.name) is kind for base in (*bases, *self.excluded))
        if any(_touches(name, base) for base in self.excluded if type(base.name) is kind):
            return False
        return all(_permitted_by(name, group) for group in self.permitted)


def _permitted_by(name: _Form, group: Sequence[_Form]) -> bool:
    bases = [base for base in group if type(base.name) is type(name.name)]
    return not bases or any(_within(name, base) for base in bases)


def _touches(name: _Form, base: _Form) -> bool:
    """Say whether an excluded base forbids a name: also one that is written as it must not be."""
    match name.name, base.name:
        case x509.DNSName(value=host), x509.DNSName(value=excluded):
            if not _is_host(host.removeprefix("*.")) or not _is_base(excluded):
                return True
            # A wildcard stands for every name below it, the excluded one among them.
            wild = host.startswith("*.")
            return _within(name, base) or (wild and _host_within(excluded, host[2:]))
        case x509.RFC822Name(value=mailbox), x509.RFC822Name():
            return not _is_mailbox(mailbox) or _within(name, base)
    return _within(name, base)


def _is_host(value: str) -> bool:
    return bool(value) and all(value.removesuffix(".").split("."))


def _is_base(value: str) -> bool:
    """Whether a DNS constraint is one: a name, or nothing for all; no dot before it, no star."""
    return not value or ("*" not in value and _is_host(value))


def _is_mailbox(value: str) -> bool:
    local, at, host = value.partition("@")
    return bool(local and at) and "@" not in host and _is_host(host)


def _names_of(link: ParsedCertificate) -> Iterable[x509.GeneralName]:
    alternative = link.extension(x509.SubjectAlternativeName)
    if alternative is not None:
        yield from alternative
    if alternative is None or not alternative.get_values_for_type(x509.RFC822Name):
        for oid, value in (attribute for part in link.subject for attribute in part):
            if oid == _EMAIL_ADDRESS and isinstance(value, str) and value.isascii():
                yield x509.RFC822Name(value)


def _within(name: _Form, base: _Form) -> bool:
    if name.directory is not None and base.directory is not None:
        return name.directory[: len(base.directory)] == base.directory
    match name.name, base.name:
        case x509.RFC822Name(value=mailbox), x509.RFC822Name(value=above):
            return _is_mailbox(mailbox) and _mailbox_within(mailbox, above)
        case x509.DNSName(value=host), x509.DNSName(value=above):
            return _is_host(host) and _is_base(above) and _host_within(host, above)
        case x509.UniformResourceIdentifier(value=uri), x509.UniformResourceIdentifier(value=above):
            return _uri_within(uri, above)
        case x509.IPAddress(value=address), x509.IPAddress(value=network):
            return _address_within(address, network)
    return False


def _mailbox_within(mailbox: str, base: str) -> bool:
    local, _, host = mailbox.rpartition("@")
    if "@" in base:
        base_local, _, base_host = base.rpartition("@")
        return local.lower() == base_local.lower() and host.lower() == base_host.lower()
    if base.startswith("."):
        return host.lower().endswith(base.lower())
    return not base or host.lower() == base.lower()


def _host_within(host: str, base: str) -> bool:
    host, base = host.lower().rstrip("."), base.lower().rstrip(".")
    return not base or host == base or host.endswith("." + base)


def _uri_within(uri: str, base: str) -> bool:
    try:
        host = urlsplit(uri).hostname
    except ValueError:
        host = None
    if not host:
        return False
    if base.startswith("."):
        return host.lower().rstrip(".").endswith(base.lower().rstrip("."))
    return host.lower() == base.lower()


def _address_within(address: object, base: object) -> bool:
    networks = (ipaddress.IPv4Network, ipaddress.IPv6Network)
    addresses = (ipaddress.IPv4Address, ipaddress.IPv6Address)
    return isinstance(address, addresses) and isinstance(base, networks) and address in base
