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

from api.commands import evidence, sign_ahead
from api.commands.output import FAILED, ROOM_ERRORS, AsJson, complain, err, told
from api.commands.output_files import appearing
from api.commands.sign_looks import Looks
from api.errors import ParameterInvalid
from api.settings import from_environment, secret_from_environment
from hsm import algorithms
from hsm.providers import KeyStore
from hsm.secret import Secret
from pdf.cades import finish_detached, prepare_detached
from pdf.embed import embed
from pdf.errors import (
    CertificateUnsuitable,
    DamagedPdf,
    EncryptedPdf,
    LimitExceeded,
    NotAPdf,
)
from pdf.extend import ExtensionOptions, extend_in_place
from pdf.finished import is_finished
from pdf.options import Level, SignatureOptions
from pdf.prepare import SignatureAlgorithm, SignerChain, prepare
from pdf.timestamps import HttpTimestampSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from hsm.algorithms import PrivateKey
    from hsm.key_uri import KeyURI
    from pdf.evidence import EvidenceSource

UNREADABLE: Final = 4
NOT_READABLE: Final = (NotAPdf, DamagedPdf, EncryptedPdf, LimitExceeded)


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

    def is_finished(self, source: Path, target: Path) -> bool:
        """Say whether an earlier run has signed this file already."""
        if not target.exists() or source.resolve() == target.resolve():
            return False
        with source.open("rb") as document, target.open("rb") as signed:
            return is_finished(
                document,
                signed,
                certificate=self.chain.certificate,
                level=self.options.level,
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
                evidence=self.evidence,
                at=datetime.now(UTC),
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
    stamp: Annotated[
        str | None, typer.Option(help="Preset of a visible signature, or a template's file.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="PNG or JPEG for the stamp.")] = None,
    corner: Annotated[
        str | None, typer.Option(help="top-left … bottom-right, instead of a box.")
    ] = None,
    margin: Annotated[
        str | None, typer.Option(help="A,B mm from the corner's side and edge.")
    ] = None,
    anchor: Annotated[
        str | None, typer.Option(help="Words on the page to stand at; {name} is the signer's.")
    ] = None,
    anchor_side: Annotated[str, typer.Option(help="above, below, left, right, over.")] = "above",
    if_taken: Annotated[
        str, typer.Option(help="refuse, or move to the next free place.")
    ] = "refuse",
    number: Annotated[str | None, typer.Option(help="Number and symbol, shown by presets.")] = None,
    word: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for a preset's own word; repeatable.")
    ] = None,
    reason: str | None = None,
    location: str | None = None,
    password: Annotated[str | None, typer.Option(help="Opens an encrypted PDF.")] = None,
    trusted: Annotated[
        list[Path] | None,
        typer.Option("--trust", help="Roots for B-LT and B-LTA besides one's own; repeatable."),
    ] = None,
    out_dir: Annotated[Path | None, typer.Option(help="Sign every input into this folder.")] = None,
    module: Annotated[Path | None, typer.Option(help="PKCS#11 module of the token.")] = None,
    preview: Annotated[
        Path | None, typer.Option(help="Draw the page with the stamp into this PNG; sign nothing.")
    ] = None,
    *,
    agency_copy: Annotated[
        bool, typer.Option("--agency-copy", help="A copy that the agency made itself.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen, and why not; sign nothing.")
    ] = False,
    as_json: AsJson = False,
    detached: Annotated[
        bool, typer.Option("--detached", help="Any file: write the signature beside it (.p7s).")
    ] = False,
) -> None:
    """Sign PDF files, or any file with --detached, with a key on a token or in a file.

    With --out-dir, outputs that are finished already are left alone: an interrupted run goes on.
    Exit codes: 0 signed; 1 not signed; 2 wrong usage; 4 not a readable PDF.
    """
    with told():
        looking = dry_run or preview is not None
        pairs = _pairs(files, out_dir, suffix=".p7s" if detached else "", looking=looking)
        looks = Looks(
            stamp=stamp,
            image=image,
            number=number,
            words=tuple(word or ()),
            box=box,
            corner=corner,
            margin=margin,
            anchor=anchor,
            side=anchor_side,
            if_taken=if_taken,
        )
        options = SignatureOptions(
            signing_time=datetime.now(UTC),
            level=_level(level, tsa),
            field=field,
            page=page,
            box=looks.placed(),
            spot=looks.spot(),
            if_taken=looks.taken(),
            stamp=looks.made(),
            agency_copy=agency_copy,
            reason=reason,
            location=location,
            password=password,
        )
        with _key_store(module) as keys:
            private = keys.open(key)
            signer = _chain(private, _certificates(keys, key, cert), chain)
            if preview is not None:
                sign_ahead.save_preview(pairs[0][0], preview, private, signer, options)
            if dry_run:
                inputs = [source for source, _ in pairs]
                good = sign_ahead.dry_run(inputs, private, signer, options, as_json=as_json)
                raise typer.Exit(0 if good else FAILED)
            if looking:
                return
            tools = SigningTools(
                private,
                signer,
                options,
                HttpTimestampSource(tsa) if tsa else None,
                _evidence(options.level, signer, trusted),
            )
            skip = tools.is_finished if out_dir is not None and not detached else None
            code = _sign_all(tools.sign_detached if detached else tools.sign, pairs, skip)
    if code:
        raise typer.Exit(code)


def _evidence(
    level: Level, signer: SignerChain, trusted: list[Path] | None
) -> EvidenceSource | None:
    if not level.reaches(Level.B_LT):
        return None
    return evidence.collector(trusted, (signer.certificate, *signer.others))


def _sign_all(
    sign_one: Callable[[Path, Path], None],
    pairs: list[tuple[Path, Path]],
    is_done: Callable[[Path, Path], bool] | None = None,
) -> int:
    worst = skipped = 0
    with Progress(console=err, transient=True, disable=len(pairs) == 1) as progress:
        task = progress.add_task("Ký số / signing", total=len(pairs))
        for source, target in pairs:
            try:
                if is_done is not None and is_done(source, target):
                    skipped += 1
                else:
                    sign_one(source, target)
            except ROOM_ERRORS as error:
                complain(f"{source}: {error}", error.diagnostics())
                worst = max(worst, UNREADABLE if isinstance(error, NOT_READABLE) else FAILED)
            progress.advance(task)
    if skipped:
        err.print(f"antin: {skipped} đã ký từ trước / finished before and left alone")
    return worst


def _pairs(
    files: list[Path], out_dir: Path | None, *, suffix: str, looking: bool
) -> list[tuple[Path, Path]]:
    if looking:
        inputs = files if out_dir is not None or len(files) != 2 else files[:1]  # noqa: PLR2004 -- IN and OUT
        return [(file, file) for file in inputs]
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
