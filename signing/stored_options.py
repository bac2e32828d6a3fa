"""The options of a signature as JSON, for work that is done later by another process.

Passwords are refused: what waits on a disk holds no secret.
"""

import base64
import binascii
import dataclasses
import json
from datetime import datetime
from typing import Any

from pdf.appearance import Stamp
from pdf.options import CertificationLevel, Level, SignatureOptions
from pdf.placement import BoxSpace
from pdf.spot import AnchorSpot, Corner, CornerSpot, IfTaken, Side
from pdf.statement import NOTHING_STATED, Commitment, SignaturePolicy, Statement
from pdf.templates import template_from
from signing.errors import BatchRefused

_TEXTS = ("field", "reason", "location", "name", "contact")


def options_to_json(options: SignatureOptions, *, template: dict[str, object] | None) -> str:
    """Write the options; `template` is the stamp's own template as it was sent."""
    if options.password is not None:
        raise BatchRefused("a batch takes no password; sign encrypted documents one by one")
    told: dict[str, Any] = {key: getattr(options, key) for key in _TEXTS}
    told |= {
        "signing_time": options.signing_time.isoformat(),
        "level": options.level.value,
        "page": options.page,
        "box": options.box,
        "box_space": options.box_space.value,
        "spot": dataclasses.asdict(options.spot) if options.spot is not None else None,
        "if_taken": options.if_taken.value,
        "certify": int(options.certify) if options.certify is not None else None,
        "agency_copy": options.agency_copy,
        "stamp": _stamp_to_json(options.stamp, template),
        "statement": _statement_to_json(options.statement),
    }
    return json.dumps(told, ensure_ascii=False)


def options_from_json(text: str) -> SignatureOptions:
    """Read what `options_to_json` wrote; raises BatchRefused for anything else."""
    try:
        told: dict[str, Any] = json.loads(text)
        return SignatureOptions(
            signing_time=datetime.fromisoformat(told["signing_time"]),
            level=Level(told["level"]),
            page=told["page"],
            box=None if told["box"] is None else (*(float(side) for side in told["box"]),),  # type: ignore[arg-type]  # four of them
            box_space=BoxSpace(told["box_space"]),
            spot=_spot(told["spot"]),
            if_taken=IfTaken(told["if_taken"]),
            certify=None if told["certify"] is None else CertificationLevel(told["certify"]),
            agency_copy=bool(told["agency_copy"]),
            stamp=_stamp(told["stamp"]),
            # batches of earlier versions state nothing
            statement=_statement(told.get("statement")),
            **{key: told[key] for key in _TEXTS},
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BatchRefused("the stored options of the batch cannot be read") from error


def _stamp_to_json(
    stamp: Stamp | None, template: dict[str, object] | None
) -> dict[str, object] | None:
    if stamp is None:
        return None
    told = {
        each.name: getattr(stamp, each.name)
        for each in dataclasses.fields(stamp)
        if each.name not in {"image", "template", "words"}
    }
    image = None if stamp.image is None else base64.b64encode(stamp.image).decode()
    return {**told, "image": image, "words": dict(stamp.words), "template": template}


def _stamp(told: dict[str, Any] | None) -> Stamp | None:
    if told is None:
        return None
    image, lines, template = told["image"], told["lines"], told["template"]
    try:
        picture = None if image is None else base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise ValueError("the image is not base64") from error
    return Stamp(
        **{
            **told,
            "image": picture,
            "lines": None if lines is None else tuple(lines),
            "template": None if template is None else template_from(template),
        }
    )


def _spot(told: dict[str, Any] | None) -> CornerSpot | AnchorSpot | None:
    if told is None:
        return None
    if "corner" in told:
        aside, away = told["margin"]
        return CornerSpot(corner=Corner(told["corner"]), margin=(aside, away))
    return AnchorSpot(**{**told, "side": Side(told["side"])})


def _statement_to_json(statement: Statement) -> dict[str, Any] | None:
    if statement == NOTHING_STATED:
        return None
    policy = None
    if statement.policy is not None:
        policy = {**dataclasses.asdict(statement.policy), "digest": statement.policy.digest.hex()}
    return {"commitment": statement.commitment, "policy": policy}


def _statement(told: Any) -> Statement:  # noqa: ANN401 -- JSON
    if told is None:
        return NOTHING_STATED
    commitment, policy = told["commitment"], told["policy"]
    if policy is not None:
        policy = SignaturePolicy(**{**policy, "digest": bytes.fromhex(policy["digest"])})
    return Statement(
        commitment=None if commitment is None else Commitment(commitment), policy=policy
    )
