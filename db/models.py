"""Tables of the audit log: the entries, and the last link of each chain.

Rows are only ever added, by `db.audit`; triggers see to it (migration 0001).
"""

import uuid
from datetime import datetime

from sqlalchemy import JSON, BigInteger, Index, LargeBinary, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base
from db.canonical import Json


class AuditEntry(Base):
    """One action, as it was recorded, and its link to the entry before it in its chain."""

    __tablename__ = "audit_log"
    __table_args__ = (
        UniqueConstraint("chain", "sequence"),
        Index(None, "object_type", "object_id"),
        # Rows lie in the order of time on disk: a block index is enough, and costs no insert.
        Index(None, "at", postgresql_using="brin"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    object_type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    # JSON, not JSONB: the text is kept letter by letter, as it was hashed.
    before: Mapped[dict[str, Json] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Json] | None] = mapped_column(JSON(none_as_null=True))
    chain: Mapped[int] = mapped_column(SmallInteger)
    sequence: Mapped[int] = mapped_column(BigInteger)
    content_digest: Mapped[bytes] = mapped_column(LargeBinary)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class AuditChain(Base):
    """The last link of one chain; sequence 0 and 32 zero bytes while it is empty."""

    __tablename__ = "audit_chains"

    chain: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
