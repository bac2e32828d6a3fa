"""x509-limbo: path length, validity, pathological chains, CVEs."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.hierarchy import key_usage
from tests.ca.limbo.kit import DAY, Made, Question, ca, case, dns, leaf, limits, named, root

_SIGNING_CA = (key_usage("key_cert_sign", "crl_sign", "digital_signature"), False)


def _chain(*lengths: int, end_is_ca: bool = False, same_name_at: int | None = None) -> Question:
    """A chain of authorities with these path lengths, and a signer below the last one."""
    top = root()
    authorities: list[Made] = []
    for position, length in enumerate(lengths):
        above = authorities[-1] if authorities else top
        wishes: dict[str, object] = {"subject": above.subject} if position == same_name_at else {}
        authorities.append(ca(above, path_length=length, **wishes))
    if end_is_ca:
        end = ca(authorities[-1], path_length=0, usage=_SIGNING_CA)
    else:
        end = leaf(authorities[-1])
    return Question(end.der, [top], authorities)


case("pathlen::ee-with-intermediate-pathlen-0", accepted=True)(lambda: _chain(0))
case("pathlen::ee-with-intermediate-pathlen-1", accepted=True)(lambda: _chain(1))
case("pathlen::ee-with-intermediate-pathlen-2", accepted=True)(lambda: _chain(2))
case("pathlen::validation-ignores-pathlen-in-leaf", accepted=True)(
    lambda: _chain(0, end_is_ca=True)
)
case("pathlen::intermediate-violates-pathlen-0", accepted=False)(lambda: _chain(0, 0))
case("pathlen::intermediate-pathlen-may-increase", accepted=True)(lambda: _chain(1, 2))
case("pathlen::intermediate-pathlen-too-long", accepted=False)(lambda: _chain(1, 0, 0))
case("pathlen::self-issued-certs-pathlen", accepted=True)(lambda: _chain(1, 1, 0, same_name_at=1))


def _year(number: int, month: int = 1) -> datetime:
    return datetime(number, month, 1, tzinfo=UTC)


def _dated(top: tuple[int, int], middle: tuple[int, int], end: tuple[int, int]) -> Question:
    one = root(begin=_year(top[0]), end=_year(top[1]))
    two = ca(one, begin=_year(middle[0]), end=_year(middle[1]))
    three = leaf(two, begin=_year(end[0]), end=_year(end[1]))
    return Question(three.der, [one], [two], at=_year(2022))


case("rfc5280::validity::expired-root", accepted=False)(
    lambda: _dated((2016, 2020), (2016, 2026), (2018, 2023))
)
case("rfc5280::validity::expired-intermediate", accepted=False)(
    lambda: _dated((2016, 2026), (2016, 2020), (2018, 2023))
)
case("rfc5280::validity::expired-leaf", accepted=False)(
    lambda: _dated((2016, 2026), (2016, 2026), (2018, 2021))
)


def _edge(begin: datetime, at: datetime) -> Question:
    validity = {"begin": begin, "end": _year(2024, 4)}
    top = root(**validity)
    middle = ca(top, **validity)
    return Question(leaf(middle, **validity).der, [top], [middle], at=at)


_MARCH, _APRIL = _year(2024, 3), _year(2024, 4)
_TICK = timedelta(milliseconds=1)
case("rfc5280::validity::notbefore-exact", accepted=True)(lambda: _edge(_MARCH, _MARCH))
case("rfc5280::validity::notbefore-fractional", accepted=False)(
    lambda: _edge(_MARCH + timedelta(seconds=1), _MARCH + timedelta(seconds=1) - _TICK)
)
case("rfc5280::validity::notafter-exact", accepted=True)(lambda: _edge(_MARCH, _APRIL))
case("rfc5280::validity::notafter-fractional", accepted=True)(
    lambda: _edge(_MARCH, _APRIL + 5 * _TICK)
)


@case("pathological::multiple-chains-expired-intermediate", accepted=True)
def _() -> Question:
    first, second = root(), root()
    expired = ca(
        second,
        path_length=1,
        subject=first.subject,
        key=first.key,
        end=_year(1988),
        begin=_year(1980),
    )
    return Question(leaf(first).der, [first, second], [expired])


def _circle(first_name: str, second_name: str) -> Question:
    """Two authorities that certify each other, and nobody else certifies them."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    one = ca(Made(root(subject=named(second_name)).certificate, keys[1]),
             subject=named(first_name), key=keys[0])  # fmt: skip
    two = ca(one, subject=named(second_name), key=keys[1])
    return Question(leaf(one).der, [root()], [one, two])


case("pathological::intermediate-cycle-distinct-cas", accepted=False)(
    lambda: _circle("cycle one", "cycle two")
)
case("pathological::intermediate-cycle-distinct-cas-max-depth", accepted=False)(
    lambda: _circle("deep cycle one", "deep cycle two")
)
case("pathological::intermediate-cycle-same-logical-ca", accepted=False)(
    lambda: _circle("the same cycle", "the same cycle")
)


@case("cve::cve-2024-0567", accepted=True)
def _() -> Question:
    """Three roots that have cross-certified each other; one of them is trusted."""
    anchor = root(subject=named("Root A"))
    others = {"B": root(subject=named("Root B")), "C": root(subject=named("Root C"))}
    roots = {"A": anchor, **others}
    crosses = [
        ca(roots[by], subject=roots[of].subject, key=roots[of].key)
        for of in roots
        for by in roots
        if of != by
    ]
    first = ca(anchor, subject=named("Intermediate A1"))
    below = [ca(others["B"]), ca(others["C"])]
    end = leaf(first, subject=x509.Name([]), names=dns("a.example.com"), names_critical=True)
    return Question(end.der, [anchor], [first, *crosses, *below])


def _wildcard(**constraints: list[x509.GeneralName]) -> Question:
    top = root()
    middle = ca(top, name_constraints=limits(**constraints))
    return Question(leaf(middle, names=dns("*.example.com")).der, [top], [middle])


case("cve::cve-2025-61727", accepted=False)(
    lambda: _wildcard(permitted=dns("example.com"), excluded=dns("bar.example.com"))
)
case("cve::cve-2025-61727-nc-permits-variant", accepted=False)(
    lambda: _wildcard(permitted=dns("foo.example.com"))
)


@case("rfc5280::root-and-intermediate-swapped", accepted=True)
def _() -> Question:
    top = root()
    middle = ca(top)
    return Question(leaf(middle).der, [middle], [top])


@case("rfc5280::chain-untrusted-root", accepted=False)
def _() -> Question:
    top = root()
    middle = ca(top, path_length=0)
    return Question(leaf(middle).der, [root()], [top, middle])


@case("rfc5280::ca-as-leaf", accepted=True)
def _() -> Question:
    top = root()
    return Question(ca(top, usage=_SIGNING_CA, begin=_year(2020) - DAY).der, [top])
