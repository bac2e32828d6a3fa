"""Certificate policies along a path (RFC 5280 6.1 in the form of RFC 9618).

Policies of one depth are kept once each, whatever number of ways leads to them, so the work grows
with the length of the path and not with the number of its branches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ca.parsed_certificates import ParsedCertificate

ANY_POLICY: Final = "2.5.29.32.0"


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """The inputs of RFC 5280 6.1.1 (c) to (f)."""

    accepted: frozenset[str] = frozenset({ANY_POLICY})
    explicit_required: bool = False
    mapping_inhibited: bool = False
    any_inhibited: bool = False


@dataclass(eq=False, slots=True)
class _Node:
    policy: str
    expected: list[str]
    parents: set[_Node] = field(default_factory=set)
    children: set[_Node] = field(default_factory=set)


class _Graph:
    def __init__(self) -> None:
        self._strata: list[dict[str, _Node]] = [{ANY_POLICY: _Node(ANY_POLICY, [ANY_POLICY])}]
        self._expecting: dict[str, list[_Node]] = {}

    def descend(self) -> None:
        self._expecting = {}
        for node in self._strata[-1].values():
            for policy in node.expected:
                self._expecting.setdefault(policy, []).append(node)
        self._strata.append({})

    def insert(self, policy: str, parents: Iterable[_Node], expected: list[str]) -> None:
        node = _Node(policy, expected, set(parents))
        for parent in node.parents:
            parent.children.add(node)
        self._strata[-1][policy] = node

    def assert_policy(self, policy: str) -> None:
        """RFC 5280 6.1.3 (d)(1)."""
        parents = self._expecting.get(policy, [])
        if not parents and ANY_POLICY in self._strata[-2]:
            parents = [self._strata[-2][ANY_POLICY]]
        if parents:
            self.insert(policy, parents, [policy])

    def assert_any(self) -> None:
        """RFC 5280 6.1.3 (d)(2): what was expected and not named is there by anyPolicy."""
        for policy, parents in self._expecting.items():
            if policy not in self._strata[-1]:
                self.insert(policy, parents, [policy])

    def map_policy(self, issuer_policy: str, subject_policies: list[str]) -> None:
        """RFC 5280 6.1.4 (b)(1)."""
        found = self._strata[-1].get(issuer_policy)
        if found is not None:
            found.expected = subject_policies
        elif ANY_POLICY in self._strata[-1]:
            above = self._strata[-2].get(ANY_POLICY)
            self.insert(issuer_policy, [above] if above else [], subject_policies)

    def remove(self, policy: str) -> None:
        """RFC 5280 6.1.4 (b)(2)."""
        found = self._strata[-1].pop(policy, None)
        if found is not None:
            for parent in found.parents:
                parent.children.discard(found)

    def prune(self) -> None:
        """RFC 5280 6.1.3 (d)(3)."""
        for stratum in self._strata[-2:0:-1]:
            for policy, node in list(stratum.items()):
                if not node.children:
                    del stratum[policy]
                    for parent in node.parents:
                        parent.children.discard(node)

    @property
    def empty(self) -> bool:
        return not self._strata[-1]

    def authority_policies(self) -> set[str]:
        """Policies in the domain of the anchor that reach the end of the path."""
        alive = set(self._strata[-1].values())
        found: set[str] = {ANY_POLICY} if ANY_POLICY in self._strata[-1] else set()
        for above in range(len(self._strata) - 2, -1, -1):
            for node in alive:
                if node.policy != ANY_POLICY and any(
                    parent.policy == ANY_POLICY for parent in node.parents
                ):
                    found.add(node.policy)
            stratum = set(self._strata[above].values())
            alive = {parent for node in alive for parent in node.parents} & stratum
        return found


def policies_hold(path: Sequence[ParsedCertificate], inputs: PolicyInputs) -> bool:
    """Process the policies of a path, given from below the anchor to the end certificate."""
    return _Processing(len(path), inputs).run(path)


class _Processing:
    def __init__(self, length: int, inputs: PolicyInputs) -> None:
        self._graph: _Graph | None = _Graph()
        self._accepted = inputs.accepted
        self._explicit = 0 if inputs.explicit_required else length + 1
        self._mapping = 0 if inputs.mapping_inhibited else length + 1
        self._any = 0 if inputs.any_inhibited else length + 1

    def run(self, path: Sequence[ParsedCertificate]) -> bool:
        for position, link in enumerate(path):
            last = position == len(path) - 1
            self._take_policies(link, last=last)
            if self._explicit == 0 and self._graph is None:
                return False
            if not last and not self._prepare_next(link):
                return False
        return self._wrap_up(path[-1])

    def _take_policies(self, link: ParsedCertificate, *, last: bool) -> None:
        extension = link.extension(x509.CertificatePolicies)
        if extension is None:
            self._graph = None
        if self._graph is None or extension is None:
            return
        policies = [information.policy_identifier.dotted_string for information in extension]
        self._graph.descend()
        for policy in policies:
            if policy != ANY_POLICY:
                self._graph.assert_policy(policy)
        if ANY_POLICY in policies and (self._any > 0 or (not last and link.self_issued)):
            self._graph.assert_any()
        self._drop_if_empty()

    def _drop_if_empty(self) -> None:
        if self._graph is not None:
            self._graph.prune()
            if self._graph.empty:
                self._graph = None

    def _prepare_next(self, link: ParsedCertificate) -> bool:
        """RFC 5280 6.1.4 (a), (b) and (h) to (j); False when a mapping names anyPolicy."""
        mapped: dict[str, list[str]] = {}
        for issuer_policy, subject_policy in link.policy_mappings():
            if ANY_POLICY in {issuer_policy, subject_policy}:
                return False
            mapped.setdefault(issuer_policy, []).append(subject_policy)
        self._map(mapped)
        if not link.self_issued:
            self._explicit = max(self._explicit - 1, 0)
            self._mapping = max(self._mapping - 1, 0)
            self._any = max(self._any - 1, 0)
        self._constrain(link)
        return True

    def _map(self, mapped: dict[str, list[str]]) -> None:
        if self._graph is None:
            return
        for issuer_policy, subject_policies in mapped.items():
            if self._mapping > 0:
                self._graph.map_policy(issuer_policy, subject_policies)
            else:
                self._graph.remove(issuer_policy)
        self._drop_if_empty()

    def _constrain(self, link: ParsedCertificate) -> None:
        constraints = link.extension(x509.PolicyConstraints)
        if constraints is not None:
            if constraints.require_explicit_policy is not None:
                self._explicit = min(self._explicit, constraints.require_explicit_policy)
            if constraints.inhibit_policy_mapping is not None:
                self._mapping = min(self._mapping, constraints.inhibit_policy_mapping)
        inhibit = link.extension(x509.InhibitAnyPolicy)
        if inhibit is not None:
            self._any = min(self._any, inhibit.skip_certs)

    def _wrap_up(self, target: ParsedCertificate) -> bool:
        """RFC 5280 6.1.5 (a), (b) and (g)."""
        explicit = max(self._explicit - 1, 0)
        constraints = target.extension(x509.PolicyConstraints)
        if constraints is not None and constraints.require_explicit_policy == 0:
            explicit = 0
        if explicit > 0:
            return True
        reached = self._graph.authority_policies() if self._graph is not None else set()
        if ANY_POLICY in self._accepted or ANY_POLICY in reached:
            return bool(reached)
        return bool(reached & self._accepted)
