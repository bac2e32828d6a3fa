"""`antin sign --dry-run` and `--preview`: what would happen, without a signature."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from cryptography import x509

from api.commands.output import out, print_json
from api.problem_words import problem
from ca.certificate_fields import issuer_of, subject_of
from pdf.errors import CertificateUnsuitable
from pdf.preflight import preflight
from pdf.preview import preview

if TYPE_CHECKING:
    from pathlib import Path

    from api.problem_words import RoomError
    from pdf.options import SignatureOptions
    from pdf.prepare import SignatureAlgorithm
    from pdf.signer import SignerChain


def dry_run(
    sources: list[Path],
    algorithm: SignatureAlgorithm,
    signer: SignerChain,
    options: SignatureOptions,
    *,
    as_json: bool,
) -> bool:
    """Say of each file what signing would do; return whether all would be signed.

    The key was opened, so it can be reached; it is not used.
    """
    certificate = x509.load_der_x509_certificate(signer.certificate)
    own = _unsuitable(certificate, datetime.now(UTC))
    answers: list[dict[str, object]] = []
    for source in sources:
        with source.open("rb") as file:
            found = preflight(file, options=options, signer=signer, algorithm=algorithm)
        refused = [error for error in (own, found.refusal) if error is not None]
        answers.append(
            {
                "file": str(source),
                "would_sign": not refused,
                "problems": [_told(error) for error in refused],
                "findings": [message.to_dict() for message in found.findings],
                "certificate": {
                    "subject": subject_of(certificate).rfc4514(),
                    "issuer": issuer_of(certificate).rfc4514(),
                    "not_after": certificate.not_valid_after_utc.isoformat(),
                },
                "key": {"reachable": True, "algorithm": algorithm.value},
                "level": options.level.value,
                "document": found.document,
                "place": found.place,
            }
        )
    if as_json:
        print_json(answers if len(answers) > 1 else answers[0])
    else:
        _print(answers)
    return all(answer["would_sign"] for answer in answers)


def save_preview(
    source: Path,
    target: Path,
    algorithm: SignatureAlgorithm,
    signer: SignerChain,
    options: SignatureOptions,
) -> None:
    """Draw the page with the stamp into a PNG file."""
    with source.open("rb") as file:
        drawn = preview(file, options=options, signer=signer, algorithm=algorithm)
    target.write_bytes(drawn.png)
    box = ", ".join(f"{side:.1f}" for side in drawn.box)
    out.print(f"{target}: trang / page {drawn.page}/{drawn.pages}, {box}", markup=False)


def _unsuitable(certificate: x509.Certificate, at: datetime) -> CertificateUnsuitable | None:
    if at < certificate.not_valid_before_utc:
        return CertificateUnsuitable("the certificate is not valid yet")
    if at > certificate.not_valid_after_utc:
        return CertificateUnsuitable("the certificate has expired")
    return None


def _told(error: RoomError) -> dict[str, object]:
    english, vietnamese = problem(error, "en"), problem(error, "vi")
    return {
        "code": error.code,
        "en": english["detail"],
        "vi": vietnamese["detail"],
        "what_to_do": english["what_to_do"],
    }


def _print(answers: list[dict[str, object]]) -> None:
    for answer in answers:
        verdict = "sẽ ký được / would be signed" if answer["would_sign"] else "không ký / refused"
        typer.echo(f"{answer['file']}: {verdict}")
        for each in (*_list(answer["problems"]), *_list(answer["findings"])):
            typer.echo(f"  [{each['code']}] {each['vi']}")
            typer.echo(f"    {each['en']}")


def _list(found: object) -> list[dict[str, object]]:
    return found if isinstance(found, list) else []
