"""`antin sign`: PAdES signatures with any key a URI names; no server, no database.

Exit codes: 0 signed, 1 not signed (key, certificate, time-stamp or place refused), 2 wrong usage,
4 an input is not a readable PDF. With many inputs the worst one counts, and the others are signed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.progress import Progress

from api.commands import evidence
from api.commands.output import FAILED, ROOM_ERRORS, complain, err, told
from api.commands.output_files import appearing
from api.errors import ParameterInvalid
from api.settings import from_environment, secret_from_environment
from hsm import algorithms
from hsm.providers import KeyStore
from hsm.secret import Secret
from pdf.appearance import Stamp
from pdf.cades import finish_detached, prepare_detached
from pdf.embed import embed
from pdf.errors import (
    CertificateUnsuitable,
    DamagedPdf,
    EncryptedPdf,
    LimitExceeded,
    NotAPdf,
    StampUnreadable,
)
from pdf.extend import ExtensionOptions, extend_in_place
from pdf.options import Level, SignatureOptions
from pdf.prepare import SignatureAlgorithm, SignerChain, prepare
from pdf.timestamps import HttpTimestampSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsm.algorithms import PrivateKey
    from hsm.key_uri import KeyURI
    from pdf.evidence import EvidenceSource

UNREADABLE: Final = 4
MAX_IMAGE_BYTES: Final = 16 * 1024 * 1024
NOT_READABLE: Final = (NotAPdf, DamagedPdf, EncryptedPdf, LimitExceeded)
_BOX_NUMBERS: Final = 4


@dataclass(frozen=True, slots=True)
class SigningTools:
    """An opened key with its chain, and what each signature is to look like."""

    key: PrivateKey
    chain: SignerChain
    options: SignatureOptions
    timestamps: HttpTimestampSource | None
    evidence: EvidenceSource | None = None

    def sign(self, source: Path, target: Path) -> None:
        """Sign one file; `target` appears only when it is finished."""
        algorithm = algorithms.default_for(self.key.public_key())
        with source.open("rb") as document, appearing(target) as staged:
            prepared = prepare(
                document,
                staged,
                options=self.options,
                signer=self.chain,
                algorithm=SignatureAlgorithm(algorithm),
            )
            made = embed(
                staged,
                prepared,
                signature=algorithms.sign(self.key, algorithm, prepared.to_be_signed),
                signer=self.chain,
                timestamps=self.timestamps,
            )
            if self.options.level.reaches(Level.B_LT):
                extend_in_place(staged, self._extension(), prefix=made.prefix)

    def _extension(self) -> ExtensionOptions:
        return ExtensionOptions(
            level=self.options.level,
            at=datetime.now(UTC),
            timestamps=self.timestamps,
            evidence=self.evidence,
            password=self.options.password,
        )

    def sign_detached(self, source: Path, target: Path) -> None:
        """Write a detached signature over any file."""
        algorithm = algorithms.default_for(self.key.public_key())
        with source.open("rb") as document, appearing(target) as staged:
            prepared = prepare_detached(
                document,
                signer=self.chain,
                algorithm=SignatureAlgorithm(algorithm),
                signing_time=self.options.signing_time,
                level=self.options.level,
            )
            container = finish_detached(
                prepared,
                signature=algorithms.sign(self.key, algorithm, prepared.to_be_signed),
                signer=self.chain,
                timestamps=self.timestamps,
            )
            staged.write(container)


def sign(  # noqa: PLR0913, PLR0917 -- one parameter for each option of the command
    files: Annotated[list[Path], typer.Argument(help="IN OUT, or with --out-dir many inputs.")],
    key: Annotated[str, typer.Option(help="Key URI: pkcs11:… (RFC 7512) or soft:/path/key.p12.")],
    cert: Annotated[Path | None, typer.Option(help="The signer's certificate, PEM or DER.")] = None,
    chain: Annotated[Path | None, typer.Option(help="The issuers' certificates, PEM.")] = None,
    level: Annotated[str | None, typer.Option(help="B-B; with --tsa B-T, B-LT, B-LTA.")] = None,
    tsa: Annotated[list[str] | None, typer.Option(help="Time-stamp server, repeatable.")] = None,
    field: Annotated[str | None, typer.Option(help="An empty signature field.")] = None,
    page: Annotated[int | None, typer.Option(help="1 is the first page, -1 the last.")] = None,
    box: Annotated[str | None, typer.Option(help="X1,Y1,X2,Y2 in points, as seen.")] = None,
    stamp: Annotated[str | None, typer.Option(help="Preset of a visible signature.")] = None,
    image: Annotated[Path | None, typer.Option(help="PNG or JPEG for the stamp.")] = None,
    reason: str | None = None,
    location: str | None = None,
    password: Annotated[str | None, typer.Option(help="Opens an encrypted PDF.")] = None,
    trusted: Annotated[
        list[Path] | None,
        typer.Option("--trust", help="Roots for B-LT and B-LTA besides one's own; repeatable."),
    ] = None,
    out_dir: Annotated[Path | None, typer.Option(help="Sign every input into this folder.")] = None,
    module: Annotated[Path | None, typer.Option(help="PKCS#11 module of the token.")] = None,
    *,
    detached: Annotated[
        bool, typer.Option("--detached", help="Any file: write the signature beside it (.p7s).")
    ] = False,
) -> None:
    """Sign PDF files, or any file with --detached, with a key on a token or in a file.

    Exit codes: 0 signed; 1 not signed; 2 wrong usage; 4 not a readable PDF.
    """
    with told():
        pairs = _pairs(files, out_dir, suffix=".p7s" if detached else "")
        options = SignatureOptions(
            signing_time=datetime.now(UTC),
            level=_level(level, tsa),
            field=field,
            page=page,
            box=_box(box),
            stamp=_stamp(stamp, image, box),
            reason=reason,
            location=location,
            password=password,
        )
        with _key_store(module) as keys:
            private = keys.open(key)
            signer = _chain(private, _certificates(keys, key, cert), chain)
            tools = SigningTools(
                private,
                signer,
                options,
                HttpTimestampSource(tsa) if tsa else None,
                _evidence(options.level, signer, trusted, detached=detached),
            )
            code = _sign_all(tools.sign_detached if detached else tools.sign, pairs)
    if code:
        raise typer.Exit(code)


def _evidence(
    level: Level, signer: SignerChain, trusted: list[Path] | None, *, detached: bool
) -> EvidenceSource | None:
    if not level.reaches(Level.B_LT):
        return None
    if detached:
        raise typer.BadParameter("a detached signature is B-B or B-T", param_hint="--level")
    return evidence.collector(trusted, (signer.certificate, *signer.others))


def _sign_all(sign_one: Callable[[Path, Path], None], pairs: list[tuple[Path, Path]]) -> int:
    worst = 0
    with Progress(console=err, transient=True, disable=len(pairs) == 1) as progress:
        task = progress.add_task("Ký số / signing", total=len(pairs))
        for source, target in pairs:
            try:
                sign_one(source, target)
            except ROOM_ERRORS as error:
                complain(f"{source}: {error}", error.diagnostics())
                worst = max(worst, UNREADABLE if isinstance(error, NOT_READABLE) else FAILED)
            progress.advance(task)
    return worst


def _pairs(files: list[Path], out_dir: Path | None, *, suffix: str) -> list[tuple[Path, Path]]:
    if out_dir is not None:
        names = [file.name for file in files]
        if len(set(names)) < len(names):
            raise typer.BadParameter("two inputs have the same name")
        return [(file, out_dir / f"{file.name}{suffix}") for file in files]
    if len(files) != 2:  # noqa: PLR2004 -- IN and OUT
        raise typer.BadParameter("give IN.pdf OUT.pdf, or many inputs with --out-dir")
    return [(files[0], files[1])]


def _level(asked: str | None, tsa: list[str] | None) -> Level:
    if asked is None:
        return Level.B_T if tsa else Level.B_B
    level = level_named(asked)
    if level is not Level.B_B and not tsa:
        raise typer.BadParameter(f"{level} needs a time-stamp server", param_hint="--tsa")
    return level


def level_named(text: str) -> Level:
    """Read a level as people write it."""
    try:
        return Level(text.upper())
    except ValueError as error:
        offered = ", ".join(Level)
        raise typer.BadParameter(f"the level is one of {offered}", param_hint="--level") from error


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != _BOX_NUMBERS:
        raise typer.BadParameter("four numbers X1,Y1,X2,Y2 are expected", param_hint="--box")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _stamp(preset: str | None, image: Path | None, box: str | None) -> Stamp | None:
    if preset is None and image is None and box is None:
        return None
    picture = None
    if image is not None:
        if image.stat().st_size > MAX_IMAGE_BYTES:
            raise StampUnreadable(f"{image} is larger than {MAX_IMAGE_BYTES} bytes")
        picture = image.read_bytes()
    return Stamp(preset=preset or "standard", image=picture)


def _key_store(module: Path | None) -> KeyStore:
    found = module or from_environment().pkcs11_module
    return KeyStore(
        modules=[found] if found is not None else [],
        pin_prompt=_ask_pin,
        pin_sources={"env": secret_from_environment},
        trust_module_paths=True,
    )


def _ask_pin(uri: KeyURI) -> Secret | None:
    if not sys.stdin.isatty():
        return None
    shown = uri.token or uri.serial or uri.location or uri.scheme.value
    return Secret(typer.prompt(f"PIN ({shown})", hide_input=True, err=True))


def _certificates(keys: KeyStore, uri: str, cert: Path | None) -> list[bytes]:
    return _read_certificates(cert) if cert is not None else keys.certificates(uri)


def _chain(key: PrivateKey, found: list[bytes], chain: Path | None) -> SignerChain:
    """Put the certificate of the key first, and the others behind it."""
    own = _spki(key.public_key())
    mine = [der for der in found if _spki(x509.load_der_x509_certificate(der).public_key()) == own]
    if not mine:
        raise CertificateUnsuitable("no certificate of this key was found beside it; give --cert")
    others = [der for der in found if der != mine[0]]
    if chain is not None:
        others += _read_certificates(chain)
    return SignerChain(mine[0], tuple(dict.fromkeys(others)))


def _spki(public_key: object) -> bytes:
    encode = public_key.public_bytes  # type: ignore[attr-defined]  # every key of cryptography has it
    return bytes(encode(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _read_certificates(path: Path) -> list[bytes]:
    data = path.read_bytes()
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
        else:
            found = [x509.load_der_x509_certificate(data)]
    except ValueError as error:
        raise ParameterInvalid(str(path), "no certificate in PEM or DER") from error
    return [one.public_bytes(Encoding.DER) for one in found]
