"""The tables of questions to people who sign on a phone or at a service.

A question covers one document, or several under one PIN. It is committed before anything is sent,
and what a provider has to be asked with later is kept as text without any secret in it: so any
process can go on after another one stopped.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class PromptState(StrEnum):
    """Where a question stands."""

    OPEN = "open"
    """Decided on, and not yet known to have reached the provider."""
    ASKED = "asked"
    ANSWERED = "answered"
    """Every signature is here; the documents may still wait for something else."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    """Its requests ended in another way, or all of them are signed."""


class SignaturePrompt(Base):
    """One question to the holder of a key that is elsewhere."""

    __tablename__ = "signature_prompts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"), index=True)
    actor: Mapped[str]
    key_uri: Mapped[str]
    state: Mapped[PromptState] = mapped_column(index=True)
    text: Mapped[str]
    """What the person reads before signing."""
    code: Mapped[str]
    """The verification code: on the phone, and where the signature was asked for."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Until when it is tried to ask; once asked, when the person's time is over."""
    reason: Mapped[str | None]


class SignaturePromptItem(Base):
    """A document that a question is about."""

    __tablename__ = "signature_prompt_items"
    __table_args__ = (UniqueConstraint("prompt_id", "position"),)

    sign_request_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("sign_requests.id"), primary_key=True
    )
    prompt_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("signature_prompts.id"))
    position: Mapped[int]
    reference: Mapped[str | None]
    """What the provider is asked with for the answer: JSON, without secrets."""
    signature: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The raw signature, checked with the certificate's key, until the document has it."""
