"""Who may do what, where: role x action x part of the organisation tree, and no otherwise.

A caller has roles, each bound to an organisation and everything below it, or to the whole tree.
`require` is asked by every handler with the organisation that its object belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from api.errors import ParameterInvalid, PermissionDenied
from api.models import Role
from ca import organizations

if TYPE_CHECKING:
    import uuid

    from sqlalchemy.orm import Session


class Action(StrEnum):
    """What can be allowed."""

    SIGN = "sign"
    VERIFY = "verify"
    REGISTRY_READ = "registry.read"
    REGISTRY_WRITE = "registry.write"
    REQUEST_SUBMIT = "request.submit"
    REQUEST_DECIDE = "request.decide"
    CERTIFICATE_REVOKE = "certificate.revoke"
    REPORT_READ = "report.read"
    AUDIT_READ = "audit.read"
    TRUST_READ = "trust.read"
    TRUST_WRITE = "trust.write"
    WEBHOOK_ADMINISTER = "webhook.administer"
    TOKEN_ADMINISTER = "token.administer"  # noqa: S105 -- the name of an action


ALLOWED: dict[Role, frozenset[Action]] = {
    Role.ADMINISTRATOR: frozenset(Action),
    Role.REGISTRAR: frozenset(
        {
            Action.VERIFY,
            Action.REGISTRY_READ,
            Action.REGISTRY_WRITE,
            Action.REQUEST_SUBMIT,
            Action.REPORT_READ,
            Action.TRUST_READ,
        }
    ),
    Role.APPROVER: frozenset(
        {
            Action.VERIFY,
            Action.REGISTRY_READ,
            Action.REQUEST_DECIDE,
            Action.CERTIFICATE_REVOKE,
            Action.REPORT_READ,
            Action.TRUST_READ,
        }
    ),
    Role.SIGNER: frozenset({Action.SIGN, Action.VERIFY}),
    Role.VERIFIER: frozenset({Action.VERIFY, Action.TRUST_READ}),
    Role.AUDITOR: frozenset(
        {
            Action.VERIFY,
            Action.REGISTRY_READ,
            Action.REPORT_READ,
            Action.AUDIT_READ,
            Action.TRUST_READ,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Binding:
    """A role for one organisation and below; None is the whole tree."""

    role: Role
    organization_id: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who calls; `identity` is what is written into records and the audit log."""

    identity: str
    name: str
    bindings: tuple[Binding, ...]


def scopes(actor: Actor, action: Action) -> frozenset[uuid.UUID | None]:
    """Return the organisations that the action is allowed for, with all below them."""
    return frozenset(b.organization_id for b in actor.bindings if action in ALLOWED[b.role])


def require_somewhere(actor: Actor, action: Action) -> None:
    """Refuse a caller that has no role at all for this action; asked before a body is read."""
    if not scopes(actor, action):
        raise PermissionDenied(f"{actor.name} has no role that allows {action}")


def require(
    session: Session, actor: Actor, action: Action, *, organization_id: uuid.UUID | None
) -> None:
    """Refuse unless the action is allowed for the organisation; None asks for the whole tree."""
    allowed = scopes(actor, action)
    if None in allowed:
        return
    if organization_id is not None and allowed:
        path = organizations.ancestors(session, organization_id)
        if allowed & {unit.id for unit in path}:
            return
    where = "the whole tree" if organization_id is None else f"organisation {organization_id}"
    raise PermissionDenied(f"{actor.name} has no role that allows {action} for {where}")


def list_scope(
    session: Session, actor: Actor, action: Action, *, under: uuid.UUID | None
) -> uuid.UUID | None:
    """Return the subtree that a list is limited to: the asked one, or the caller's only one."""
    if under is not None:
        require(session, actor, action, organization_id=under)
        return under
    allowed = scopes(actor, action)
    if None in allowed:
        return None
    if len(allowed) > 1:
        raise ParameterInvalid("under", "name the organisation, since your roles cover several")
    require_somewhere(actor, action)
    return next(iter(allowed))
