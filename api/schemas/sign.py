"""What `/sign` takes and shows."""

import base64
import binascii
import contextlib
import json
import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field

from api.errors import ParameterInvalid
from api.problem_words import TEXTS
from api.schemas.lists import Schema
from api.schemas.options import Options
from hsm.ets102204_profile import MAX_TOGETHER
from pdf.appearance import Stamp
from pdf.options import CertificationLevel, Level, SignatureFormat, SignatureOptions
from pdf.placement import POINTS_PER_MM, BoxSpace
from pdf.presets import PRESETS
from pdf.spot import MAX_ANCHOR, AnchorSpot, Corner, CornerSpot, IfTaken, Side, Spot
from pdf.statement import Commitment, SignaturePolicy, Statement
from pdf.templates import template_from
from signing.models import SignRequest, SignRequestStatus, UpgradeState, WhenNoTimestamp
from signing.prepared_state import prepared_of
from signing.sign import SignOrder
from signing.stamp_templates import StampTemplates

MAX_TEXT = 1000
"""Characters of a reason, a place or a line of a stamp."""
MAX_STAMP_LINES = 12
MAX_IMAGE_CHARACTERS = 4 * 1024 * 1024
_BOX_NUMBERS = 4
_PAIR = 2
Text = Annotated[str | None, Field(max_length=MAX_TEXT)]


def _from_text(value: object) -> object:
    """Read a JSON value that came as text, as it does in a query or a plain part."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError("not JSON") from error
    return value


def _box(value: object) -> object:
    value = _from_text(value)
    return value.split(",") if isinstance(value, str) else value


def _stamp(value: object) -> object:
    value = _from_text(value)
    return {"preset": value} if isinstance(value, str) else value


def _anchor(value: object) -> object:
    # plain words may begin with a brace themselves: {name}
    with contextlib.suppress(ValueError):
        value = _from_text(value)
    return {"text": value} if isinstance(value, str) else value


def _pair(value: object) -> object:
    value = _from_text(value)
    return value.split(",") if isinstance(value, str) else value


class AnchorIn(Schema):
    """Words on the page; `{name}` and `{position}` stand for the signer's."""

    text: str = Field(max_length=MAX_ANCHOR)
    side: Side = Side.ABOVE
    occurrence: int = Field(default=-1, description="1 is the first, -1 the last")
    gap: float = 3.0


class StampIn(Schema):
    """A visible signature; `image` is a PNG or JPEG as base64."""

    preset: str = Field(
        default="standard", description="A preset, or a template of /stamp-templates, by its name"
    )
    lines: list[Annotated[str, Field(max_length=MAX_TEXT)]] | None = Field(
        default=None, max_length=MAX_STAMP_LINES
    )
    image: str | None = Field(default=None, max_length=MAX_IMAGE_CHARACTERS, repr=False)
    image_height_mm: float | None = None
    font_size: float | None = None
    name: Text = None
    organization: Text = None
    position: Text = None
    number: Text = None
    words: dict[str, Annotated[str, Field(max_length=MAX_TEXT)]] = Field(
        default_factory=dict,
        max_length=MAX_STAMP_LINES,
        description="A preset's own words: form (nd30.copy), arrived, forward_to (incoming)",
    )
    template: dict[str, object] | None = Field(
        default=None, description="A template of one's own instead of a preset"
    )

    def stamp(self) -> Stamp:
        """Return it as the PDF room takes it."""
        return Stamp(
            preset=self.preset,
            lines=tuple(self.lines) if self.lines is not None else None,
            image=_decoded(self.image, "stamp.image") if self.image is not None else None,
            image_height_mm=self.image_height_mm,
            font_size=self.font_size,
            name=self.name,
            organization=self.organization,
            position=self.position,
            number=self.number,
            words=self.words,
            template=template_from(self.template) if self.template is not None else None,
        )


class PolicyIn(Schema):
    """The signature policy that a signature is made by."""

    identifier: str = Field(max_length=200, description="Object identifier, dotted")
    digest: str = Field(max_length=200, description="Hash of the policy's text, hexadecimal")
    hash_algorithm: str = Field(default="sha256", max_length=20)
    uri: Text = None

    def policy(self) -> SignaturePolicy:
        """Return it as the PDF room takes it; raises StatementInvalid."""
        try:
            digest = bytes.fromhex(self.digest)
        except ValueError as error:
            raise ParameterInvalid("policy.digest", "hexadecimal is expected") from error
        return SignaturePolicy(
            identifier=self.identifier,
            digest=digest,
            hash_algorithm=self.hash_algorithm,
            uri=self.uri,
        )


class SignOptionsIn(Options):
    """The options of one signature."""

    certificate_id: str | None = Field(default=None, description="Id, or serial:<hex>")
    key: str | None = Field(default=None, description="Key URI of a certificate in the registry")
    format: SignatureFormat = Field(
        default=SignatureFormat.PADES,
        description="`cades` signs any file and answers with the signature alone, a .p7s",
    )
    level: Level | None = None
    when_no_timestamp: WhenNoTimestamp = Field(
        default=WhenNoTimestamp.FAIL,
        description="`queue` signs at B-B while no time-stamp can be had, and raises it later",
    )
    hold: bool = Field(
        default=False,
        description="Do not ask the signer's phone yet: `POST /sign/ask` asks for several at once",
    )
    stamp: Annotated[StampIn | None, BeforeValidator(_stamp)] = None
    field: Text = None
    page: int | None = None
    box: Annotated[list[float] | None, BeforeValidator(_box)] = None
    box_space: BoxSpace = BoxSpace.SEEN
    corner: Corner | None = None
    margin_mm: Annotated[list[float] | None, BeforeValidator(_pair)] = Field(
        default=None, description="From the side, and from above or below, with `corner`"
    )
    anchor: Annotated[AnchorIn | None, BeforeValidator(_anchor)] = None
    if_taken: IfTaken = Field(
        default=IfTaken.REFUSE, description="`move` takes the nearest place that is free"
    )
    reason: Text = None
    location: Text = None
    name: Text = None
    contact: Text = None
    commitment: Commitment | None = Field(
        default=None, description="What the signature means, instead of a reason in words"
    )
    policy: Annotated[PolicyIn | None, BeforeValidator(_from_text)] = None
    certify: int | None = Field(default=None, ge=1, le=3, description="DocMDP permissions, 1 to 3")
    agency_copy: bool = Field(
        default=False, description="The document is a copy that the agency made itself"
    )
    password: str | None = Field(default=None, max_length=MAX_TEXT, repr=False)
    check_output: bool = Field(
        default=False,
        description="Run the full verifier on the signed document before it is handed out",
    )

    @classmethod
    def parse(cls, options: object) -> Self:
        """Read the options; raises ParameterInvalid with the name of the first that is wrong."""
        asked = super().parse(options)
        asked.require_fitting()
        if asked.box is not None and len(asked.box) != _BOX_NUMBERS:
            raise ParameterInvalid("box", "left, bottom, right, top in points are expected")
        if sum(each is not None for each in (asked.box, asked.corner, asked.anchor)) > 1:
            raise ParameterInvalid("box", "one of box, corner and anchor is expected")
        if asked.margin_mm is not None and len(asked.margin_mm) != _PAIR:
            raise ParameterInvalid("margin_mm", "two lengths in mm are expected")
        if (asked.certificate_id is None) == (asked.key is None):
            raise ParameterInvalid("certificate_id", "either certificate_id or key is expected")
        return asked

    def require_fitting(self) -> None:
        """Refuse what is about a PDF where the signature stands beside a file."""
        if self.format is SignatureFormat.CADES:
            for name in sorted(self.model_fields_set - _OF_ANY_FORMAT):
                raise ParameterInvalid(name, "a signature beside a file (cades) has none")

    def require_pdf(self) -> Self:
        """Return it where it is about a PDF, which alone has pages; raises ParameterInvalid."""
        if self.format is not SignatureFormat.PADES:
            raise ParameterInvalid("format", "only PDF files (pades) are taken here")
        return self

    @property
    def plain_certificate_id(self) -> uuid.UUID | None:
        """The certificate's id, where nothing has to be read to find or to understand it all."""
        stamp = self.stamp
        if stamp is not None and (stamp.image is not None or stamp.preset not in PRESETS):
            return None
        try:
            return uuid.UUID(self.certificate_id or "")
        except ValueError:
            return None

    def with_templates(self, templates: StampTemplates) -> Self:
        """Return it with a named template of the installation in the place of its name."""
        stamp = self.stamp
        if stamp is None or stamp.template is not None or stamp.preset in PRESETS:
            return self
        entries = templates.entries(stamp.preset)
        if entries is None:
            return self
        return self.model_copy(update={"stamp": stamp.model_copy(update={"template": entries})})

    def order(
        self, *, certificate_id: uuid.UUID, file_name: str, request_id: uuid.UUID, at: datetime
    ) -> SignOrder:
        """Return it as the signing room takes it."""
        return SignOrder(
            certificate_id=certificate_id,
            file_name=file_name,
            options=self.signature_options(at=at),
            format=self.format,
            level=self.level,
            when_no_timestamp=self.when_no_timestamp,
            request_id=request_id,
            hold=self.hold,
        )

    def signature_options(self, *, at: datetime) -> SignatureOptions:
        """Return what it says about the signature itself."""
        box = (self.box[0], self.box[1], self.box[2], self.box[3]) if self.box else None
        return SignatureOptions(
            signing_time=at,
            field=self.field,
            page=self.page,
            box=box,
            box_space=self.box_space,
            spot=self._spot(),
            if_taken=self.if_taken,
            stamp=self.stamp.stamp() if self.stamp is not None else None,
            reason=self.reason,
            location=self.location,
            name=self.name,
            contact=self.contact,
            certify=CertificationLevel(self.certify) if self.certify is not None else None,
            agency_copy=self.agency_copy,
            password=self.password,
            statement=Statement(
                commitment=self.commitment,
                policy=self.policy.policy() if self.policy is not None else None,
            ),
        )

    def _spot(self) -> Spot | None:
        if self.anchor is not None:
            return AnchorSpot(
                text=self.anchor.text,
                side=self.anchor.side,
                occurrence=self.anchor.occurrence,
                gap=self.anchor.gap,
            )
        if self.corner is None:
            return None
        if self.margin_mm is None:
            return CornerSpot(corner=self.corner)
        aside, away = (length * POINTS_PER_MM for length in self.margin_mm)
        return CornerSpot(corner=self.corner, margin=(aside, away))


_OF_ANY_FORMAT = frozenset(
    {
        *("certificate_id", "key", "format", "level", "when_no_timestamp", "hold"),
        *("commitment", "policy", "check_output"),
    }
)


class SignatureIn(Schema):
    """The holder's raw signature over `to_be_signed`."""

    signature: str = Field(max_length=64 * 1024, description="base64")

    def raw(self) -> bytes:
        """Return its bytes."""
        return _decoded(self.signature, "signature")


class AskIn(Schema):
    """Which held requests the signer is to be asked for, with one PIN for all of them."""

    requests: list[uuid.UUID] = Field(min_length=1, max_length=MAX_TOGETHER)


class ReasonOut(BaseModel):
    """Why there is no signature, in words."""

    vi: str
    en: str
    what_to_do: str


class SignRequestOut(BaseModel):
    """A sign request; what is to be signed is shown while it waits for its holder."""

    id: uuid.UUID
    status: SignRequestStatus
    certificate_id: uuid.UUID
    file_name: str
    level: str = Field(description="The level that is wanted")
    reached_level: str | None = Field(description="The level of the stored document")
    upgrade: UpgradeState | None = Field(
        description="How it stands with a level that could not be reached at once"
    )
    upgrade_error: str | None
    algorithm: str
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    error_code: str | None
    reason: ReasonOut | None = Field(default=None, description="The words for `error_code`")
    verification_code: str | None = Field(
        default=None, description="Four digits that the signer's phone shows too: compare them"
    )
    to_be_signed: str | None = Field(default=None, description="base64: sign exactly these bytes")
    digest: str | None = Field(default=None, description="base64: the hash of to_be_signed")
    hash_algorithm: str | None = None

    @classmethod
    def of(cls, row: SignRequest) -> Self:
        """Show a row."""
        shown = cls(
            id=row.id,
            status=row.status,
            certificate_id=row.certificate_id,
            file_name=row.file_name,
            level=row.level,
            reached_level=row.reached_level,
            upgrade=row.upgrade,
            upgrade_error=row.upgrade_error,
            algorithm=row.algorithm,
            created_at=row.created_at,
            expires_at=row.expires_at,
            completed_at=row.completed_at,
            error_code=row.error_code,
            reason=_reason(row.error_code),
            verification_code=row.verification_code,
        )
        if row.status is SignRequestStatus.WAITING:
            prepared = prepared_of(row)
            shown.to_be_signed = base64.b64encode(prepared.to_be_signed).decode()
            shown.digest = base64.b64encode(prepared.digest).decode()
            shown.hash_algorithm = prepared.hash_algorithm
        return shown


def _reason(code: str | None) -> ReasonOut | None:
    text = TEXTS.get(code or "")
    return None if text is None else ReasonOut(vi=text.vi, en=text.en, what_to_do=text.do)


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParameterInvalid(where, "base64 is expected") from error
