"""x509-limbo: name constraints."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.limbo.kit import Question, ca, case, directory, dns, leaf, limits, named, root

Names = Sequence[x509.GeneralName]
_PRIVATE = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.55738.666.3"), b"\x05\x00")


def _below(
    names: Names,
    *,
    permitted: Names | None = None,
    excluded: Names | None = None,
    critical: bool = True,
    subject: str = "example.com",
) -> Question:
    """A root with constraints, and a signer with these names."""
    top = root(name_constraints=limits(permitted, excluded, critical=critical))
    return Question(leaf(top, names=names, subject=named(subject)).der, [top])


def _address(text: str) -> Names:
    return [x509.IPAddress(ip_address(text))]


def _network(text: str) -> Names:
    return [x509.IPAddress(ip_network(text))]


def _mail(*values: str) -> Names:
    return [x509.RFC822Name._init_without_validation(value) for value in values]


case("rfc5280::nc::permitted-dns-mismatch", accepted=False)(
    lambda: _below(dns("not-example.com"), permitted=dns("example.com"))
)
case("rfc5280::nc::permitted-dns-match", accepted=True)(
    lambda: _below(dns("example.com"), permitted=dns("example.com"))
)
case("rfc5280::nc::permitted-dns-match-noncritical", accepted=False)(
    lambda: _below(dns("example.com"), permitted=dns("example.com"), critical=False)
)
case("rfc5280::nc::permitted-dns-match-more", accepted=True)(
    lambda: _below(dns("foo.bar.example.com"), permitted=dns("example.com"))
)
case("rfc5280::nc::excluded-dns-match-second", accepted=False)(
    lambda: _below(
        dns("example.com", "not-allowed.example.com"), excluded=dns("not-allowed.example.com")
    )
)
case("rfc5280::nc::permitted-ip-mismatch", accepted=False)(
    lambda: _below(_address("192.0.3.1"), permitted=_network("192.0.2.0/24"))
)
case("rfc5280::nc::excluded-ipv4-match", accepted=False)(
    lambda: _below(_address("192.0.2.1"), excluded=_network("192.0.2.0/24"))
)
case("rfc5280::nc::excluded-ipv6-match", accepted=False)(
    lambda: _below(_address("::1"), excluded=_network("::1/128"))
)
case("rfc5280::nc::permitted-ipv4-match", accepted=True)(
    lambda: _below(_address("192.0.2.1"), permitted=_network("192.0.2.0/24"))
)
case("rfc5280::nc::permitted-ipv6-match", accepted=True)(
    lambda: _below(_address("::1"), permitted=_network("::1/128"))
)
case("rfc5280::nc::permitted-dn-mismatch", accepted=False)(
    lambda: _below(directory("not-foo"), permitted=directory("foo"), subject="not-foo")
)
case("rfc5280::nc::excluded-dn-match", accepted=False)(
    lambda: _below(directory("foo"), excluded=directory("foo"), subject="foo")
)
case("rfc5280::nc::permitted-dn-match", accepted=True)(
    lambda: _below(directory("foo"), permitted=directory("foo"), subject="foo")
)
case("rfc5280::nc::permitted-dn-match-subject-san-mismatch", accepted=False)(
    lambda: _below(directory("foo"), permitted=directory("foo"), subject="not-foo")
)
case("rfc5280::nc::excluded-dn-match-sub-mismatch", accepted=False)(
    lambda: _below(directory("not-foo"), excluded=directory("foo"), subject="foo")
)
case("rfc5280::nc::excluded-match-permitted-and-excluded", accepted=False)(
    lambda: _below(dns("example.com"), permitted=dns("example.com"), excluded=dns("example.com"))
)
case("rfc5280::nc::permitted-different-constraint-type", accepted=True)(
    lambda: _below(dns("example.com"), permitted=_network("192.0.2.0/24"))
)
case("rfc5280::nc::excluded-different-constraint-type", accepted=True)(
    lambda: _below(dns("example.com"), excluded=_network("192.0.2.0/24"))
)

# Constraints that are none -----------------------------------------------------------------------

case("rfc5280::nc::invalid-dnsname-wildcard", accepted=False)(
    lambda: _below(dns("foo.example.com"), permitted=dns("*.example.com"))
)
case("rfc5280::nc::invalid-dnsname-leading-period", accepted=False)(
    lambda: _below(dns("foo.example.com"), permitted=dns(".example.com"))
)
case("rfc5280::nc::invalid-ipv4-address", accepted=False)(
    lambda: _below(_address("127.0.0.1"), permitted=[x509.IPAddress(IPv4Address("127.0.0.1"))])
)
case("rfc5280::nc::invalid-ipv6-address", accepted=False)(
    lambda: _below(_address("::1"), permitted=[x509.IPAddress(IPv6Address("::1"))])
)
case("rfc5280::nc::invalid-email-address", accepted=False)(
    lambda: _below(_mail("example@example.com"), permitted=_mail("invalid@invalid@example.com"))
)

# With authorities between ------------------------------------------------------------------------


def _under_ca(
    names: Names, *, permitted: Names | None = None, excluded: Names | None = None
) -> Question:
    top = root()
    middle = ca(top, name_constraints=limits(permitted, excluded))
    return Question(leaf(middle, names=names).der, [top], [middle])


case("rfc5280::nc::excluded-dns-match", accepted=False)(
    lambda: _under_ca(dns("example.com"), excluded=dns("example.com"))
)
case("rfc5280::nc::nc-permits-invalid-dns-san", accepted=False)(
    lambda: _under_ca(dns(".example.com", "foo.example.com"), permitted=dns("example.com"))
)
case("rfc5280::nc::nc-permits-invalid-ip-san", accepted=False)(
    lambda: _under_ca(
        [
            x509.IPAddress(IPv4Network("192.0.2.0/24")),
            x509.IPAddress(IPv4Address("192.0.2.1")),
        ],
        permitted=_network("192.0.2.0/24"),
    )
)
case("rfc5280::nc::nc-permits-invalid-email-san", accepted=False)(
    lambda: _under_ca(
        _mail("good@example.com", "alsogood@example.com", "invalid@address@example.com"),
        permitted=_mail("example.com"),
    )
)
case("rfc5280::nc::nc-permits-email-exact", accepted=True)(
    lambda: _under_ca(_mail("foo@example.com"), permitted=_mail("foo@example.com"))
)
case("rfc5280::nc::nc-permits-email-domain", accepted=True)(
    lambda: _under_ca(_mail("foo@example.com"), permitted=_mail("example.com"))
)
case("rfc5280::nc::nc-forbids-othername", accepted=False)(
    lambda: _under_ca(
        [*dns("example.com"), _PRIVATE], permitted=dns("example.com"), excluded=[_PRIVATE]
    )
)
case("rfc5280::nc::nc-forbids-othername-noop", accepted=True)(
    lambda: _under_ca(dns("example.com"), permitted=dns("example.com"), excluded=[_PRIVATE])
)


@case("rfc5280::nc::permitted-self-issued", accepted=True)
def _() -> Question:
    wishes = {"subject": named("not-example.com"), "names": dns("not-example.com")}
    top = root(name_constraints=limits(dns("example.com")), **wishes)
    middle = ca(top, **wishes)
    return Question(leaf(middle, names=dns("example.com")).der, [top], [middle])


@case("rfc5280::nc::excluded-self-issued-leaf", accepted=False)
def _() -> Question:
    wishes = {"subject": named("not-example.com"), "names": dns("not-example.com")}
    top = root(name_constraints=limits(dns("example.com")))
    middle = ca(top, **wishes)
    return Question(leaf(middle, **wishes).der, [top], [middle])


_PARTED = limits(dns("permitted.example.com"), dns("forbidden.example.com"))


def _forbidden_in_the_middle(*, at_root: bool) -> Question:
    top = root(name_constraints=_PARTED if at_root else None)
    first = ca(top, name_constraints=None if at_root else _PARTED)
    second = ca(first, names=dns("forbidden.example.com"))
    end = leaf(second, names=dns("permitted.example.com"))
    return Question(end.der, [top], [first, second])


case("rfc5280::nc::intermediate-with-san-rejected-by-intermediate-nc", accepted=False)(
    lambda: _forbidden_in_the_middle(at_root=False)
)
case("rfc5280::nc::intermediate-with-san-rejected-by-root-nc", accepted=False)(
    lambda: _forbidden_in_the_middle(at_root=True)
)


def _narrowed(first: Names, second: Names) -> Question:
    top = root()
    one = ca(top, name_constraints=limits(first))
    two = ca(one, name_constraints=limits(second))
    return Question(leaf(two, names=dns("foo.example.com")).der, [top], [one, two])


_BOTH, _BAR = dns("foo.example.com", "bar.example.com"), dns("bar.example.com")
case("rfc5280::nc::restrictive-permits-in-intermediates-narrows", accepted=False)(
    lambda: _narrowed(_BOTH, _BAR)
)
case("rfc5280::nc::restrictive-permits-in-intermediates-widens", accepted=False)(
    lambda: _narrowed(_BAR, _BOTH)
)


@case("rfc5280::nc::nc-forbids-alternate-chain-ica", accepted=True)
def _() -> Question:
    """One authority certified twice; only one of its certificates leads to the trusted root."""
    lost, trusted = root(), root()
    upper = ca(trusted, name_constraints=_PARTED)
    same = {"key": ec.generate_private_key(ec.SECP256R1()), "subject": named("an-intermediate")}
    one = ca(lost, names=dns("forbidden.example.com"), **same)
    two = ca(upper, **same)
    end = leaf(one, names=dns("permitted.example.com"))
    return Question(end.der, [trusted], [upper, one, two])


@case("rfc5280::nc::nc-forbids-same-chain-ica", accepted=True)
def _() -> Question:
    """Both roots are trusted, and one of the two ways is forbidden."""
    first, second = root(), root()
    upper = ca(first, name_constraints=limits(None, dns("forbidden.example.com")))
    same = {"key": ec.generate_private_key(ec.SECP256R1()), "subject": named("an-intermediate")}
    one = ca(upper, names=dns("forbidden.example.com"), **same)
    two = ca(second, names=dns("unconstrained-ica.example.com"), **same)
    end = leaf(one, names=dns("unconstrained.example.com"))
    return Question(end.der, [first, second], [upper, one, two])
