"""What `antin sign` lets a signer state beside the signature: a commitment, a signature policy."""

from __future__ import annotations

from hashlib import new
from pathlib import Path
from typing import Final

import typer

from pdf.statement import Commitment, SignaturePolicy, Statement

HASHES: Final = ("sha256", "sha384", "sha512")
COMMITMENTS: Final = f"What the signature means: {', '.join(Commitment)}; instead of a reason."


def stated(
    commitment: str | None, policy: str | None, digest: str | None, uri: str | None
) -> Statement:
    """Read the options; the digest is `sha256:<hex>`, or the file that holds the policy's text.

    Raises StatementInvalid for a policy that cannot be encoded.
    """
    if policy is None and (digest or uri):
        raise typer.BadParameter("it belongs to a policy", param_hint="--signature-policy")
    if policy is not None and digest is None:
        raise typer.BadParameter("the policy's digest is needed", param_hint="--policy-digest")
    return Statement(
        commitment=None if commitment is None else _commitment(commitment),
        policy=None if policy is None or digest is None else _policy(policy, digest, uri),
    )


def _commitment(text: str) -> Commitment:
    try:
        return Commitment(text)
    except ValueError as error:
        offered = ", ".join(Commitment)
        hint = "--commitment"
        raise typer.BadParameter(f"one of {offered} is expected", param_hint=hint) from error


def _policy(identifier: str, digest: str, uri: str | None) -> SignaturePolicy:
    name, colon, octets = digest.partition(":")
    if colon and name in HASHES:
        try:
            value = bytes.fromhex(octets)
        except ValueError as error:
            hint = "--policy-digest"
            raise typer.BadParameter("hexadecimal is expected", param_hint=hint) from error
    else:
        name, value = HASHES[0], new(HASHES[0], Path(digest).read_bytes()).digest()
    return SignaturePolicy(identifier=identifier, digest=value, hash_algorithm=name, uri=uri)
