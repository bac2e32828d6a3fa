"""Chains made to be costly: whatever they hold, a verdict within two seconds of processor time."""

import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ca import der, listed_certificates
from ca.import_problems import RowRefused
from ca.validation import PathPolicy, PathValidator, PathVerdict, RevocationRule
from tests.ca.limbo.kit import (
    AT,
    DAY,
    Made,
    ca,
    crl,
    directory,
    dns,
    entry,
    leaf,
    limits,
    named,
    root,
)

CPU_SECONDS = 2.0


def judged(
    end: bytes,
    top: Made,
    others: Sequence[Made] = (),
    *,
    crls: Sequence[bytes] = (),
    rule: RevocationRule = RevocationRule.OFF,
) -> PathVerdict:
    validator = PathValidator([top.der], policy=PathPolicy(revocation=rule))
    start = time.thread_time()
    verdict = validator.validate(
        end, purpose="signing", at=AT, others=[other.der for other in others], crls=crls
    )
    assert time.thread_time() - start < CPU_SECONDS
    return verdict


def test_thousands_of_names_below_thousands_of_constraints() -> None:
    bases = dns(*(f"a{number}.example" for number in range(2000)))
    names = dns(*(f"b.a{number}.example" for number in range(2000)))
    top = root()
    chain = [ca(top, name_constraints=limits(bases))]
    chain += [ca(chain[-1], name_constraints=limits(None, dns(f"x{n}.test"))) for n in range(3)]
    verdict = judged(leaf(chain[-1], names=names).der, top, chain)
    assert verdict.messages == ("name_constraints_too_many",)


def test_thousands_of_directory_names_below_thousands_of_constraints() -> None:
    top = root()
    bases = [one for number in range(1200) for one in directory(f"base {number}")]
    names = [one for number in range(1200) for one in directory(f"name {number}")]
    chain = [ca(top, name_constraints=limits(None, bases))]
    chain += [ca(chain[-1], name_constraints=limits(None, bases)) for _ in range(4)]
    verdict = judged(leaf(chain[-1], names=names).der, top, chain)
    assert not verdict.trusted


def test_thousands_of_policies_and_mappings_in_every_certificate() -> None:
    policies = [
        x509.PolicyInformation(x509.ObjectIdentifier(f"1.3.6.1.4.1.9.{number}"), None)
        for number in range(2500)
    ]
    told = [(x509.CertificatePolicies(policies), False)]
    top = root()
    chain: list[Made] = []
    for _ in range(12):
        chain.append(ca(chain[-1] if chain else top, extra=told))
    judged(leaf(chain[-1], extra=told).der, top, chain)


def test_hundreds_of_distribution_points_and_lists() -> None:
    top = root()
    points = [
        x509.DistributionPoint(
            [x509.UniformResourceIdentifier(f"http://h/{number}")], None, None, None
        )
        for number in range(1500)
    ]
    end = leaf(top, extra=[(x509.CRLDistributionPoints(points), False)])
    scope = x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier("http://h/elsewhere")],
        None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    lists = [
        crl(top, extra=[(scope, True)], begin=AT - DAY - timedelta(seconds=number))
        for number in range(300)
    ]
    verdict = judged(end.der, top, crls=lists, rule=RevocationRule.REQUIRED)
    assert not verdict.trusted


def test_hundreds_of_deltas() -> None:
    top = root()
    end = leaf(top)
    complete = [crl(top, begin=AT - DAY - timedelta(seconds=n)) for n in range(150)]
    deltas = [
        crl(
            top,
            number=(x509.CRLNumber(20_000 + n), False),
            extra=[(x509.DeltaCRLIndicator(1), True)],
        )
        for n in range(150)
    ]
    judged(end.der, top, crls=[*complete, *deltas], rule=RevocationRule.REQUIRED)


def test_an_indirect_list_of_twenty_thousand_entries() -> None:
    top = root()
    scope = x509.IssuingDistributionPoint(
        None,
        None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=True,
        only_contains_attribute_certs=False,
    )
    listed = [entry(1_000_000 + number) for number in range(20_000)]
    judged(
        leaf(top).der,
        top,
        crls=[crl(top, revoked=listed, extra=[(scope, True)])],
        rule=RevocationRule.REQUIRED,
    )


@pytest.mark.parametrize("same_key", [True, False])
def test_a_maze_of_authorities_of_one_name(*, same_key: bool) -> None:
    first = root(subject=named("maze"))
    shared = {"key": first.key} if same_key else {}
    members = [first]
    for _ in range(60):
        members.append(ca(members[-1], subject=named("maze"), **shared))
    verdict = judged(leaf(members[-1]).der, root(), members)
    assert not verdict.trusted


def test_a_name_that_no_library_reads_gives_a_verdict_and_is_refused_in_an_import() -> None:
    top = root(name_constraints=limits(directory("elsewhere")))
    end = leaf(top, subject=named("example.com"))
    body, algorithm, _ = der.signed_parts(end.der)
    changed = body.encoded.replace(b"example.com", b"exam\xff\xfe\xff.com")
    signature = der.bit_string(top.key.sign(changed, ec.ECDSA(hashes.SHA256())))
    odd = der.sequence(changed, algorithm.encoded, signature)
    assert judged(odd, top).messages == ("name_not_permitted",)
    with pytest.raises(RowRefused) as refused:
        listed_certificates.from_der(odd)
    assert "certificate_unreadable" in str(refused.value.problems)
