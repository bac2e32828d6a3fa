"""`antin sign`: PAdES signatures with any key a URI names; no server, no database.

Exit codes: 0 signed, 1 not signed (key, certificate, time-stamp or place refused), 2 wrong usage,
4 an input is not a readable PDF, 130 stopped by Ctrl-C. With many inputs the worst one counts, and
the others are signed, unless a person who was asked said no.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import Progress

from api.commands import evidence, sign_ahead, sign_certificate
from api.commands.output import (
    FAILED,
    ROOM_ERRORS,
    AsJson,
    complain,
    complain_about,
    err,
    told,
)
from api.commands.sign_files import SigningTools
from api.commands.sign_keys import opened
from api.commands.sign_looks import STAMPS, Looks
from api.commands.sign_statement import COMMITMENTS, stated
from api.commands.sign_told import Run, elsewhere
from hsm.refusals import SignatureRefused
from pdf.errors import (
    DamagedPdf,
    EncryptedPdf,
    LimitExceeded,
    NotAPdf,
)
from pdf.options import Level, SignatureOptions
from pdf.prepare import SignatureAlgorithm, SignerChain
from pdf.timestamps import HttpTimestampSource

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from api.commands.sign_keys import SigningKey
    from pdf.evidence import EvidenceSource

    Steps = Callable[[Path, Path], Generator[bytes, bytes]]

UNREADABLE: Final = 4
NOT_READABLE: Final = (NotAPdf, DamagedPdf, EncryptedPdf, LimitExceeded)


def sign(  # noqa: PLR0913, PLR0917 -- one parameter for each option of the command
    files: Annotated[list[Path], typer.Argument(help="IN OUT, or with --out-dir many inputs.")],
    key: Annotated[str, typer.Option(help="Key URI: pkcs11:…, soft:/path.p12, sim:…, csc:….")],
    cert: Annotated[
        str | None, typer.Option(help="The signer's certificate: a file, or sha256:… of one there.")
    ] = None,
    chain: Annotated[Path | None, typer.Option(help="The issuers' certificates, PEM.")] = None,
    level: Annotated[str | None, typer.Option(help="B-B; with --tsa B-T, B-LT, B-LTA.")] = None,
    tsa: Annotated[list[str] | None, typer.Option(help="Time-stamp server, repeatable.")] = None,
    field: Annotated[str | None, typer.Option(help="An empty signature field.")] = None,
    page: Annotated[int | None, typer.Option(help="1 is the first page, -1 the last.")] = None,
    box: Annotated[str | None, typer.Option(help="X1,Y1,X2,Y2 in points, as seen.")] = None,
    stamp: Annotated[str | None, typer.Option(help=STAMPS)] = None,
    image: Annotated[Path | None, typer.Option(help="PNG or JPEG for the stamp.")] = None,
    corner: Annotated[
        str | None,
        typer.Option(help="top-left, top-right, bottom-left, bottom-right; instead of a box."),
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
    reason: Annotated[str | None, typer.Option(help="Why it is signed.")] = None,
    location: Annotated[str | None, typer.Option(help="Where it is signed.")] = None,
    commitment: Annotated[str | None, typer.Option(help=COMMITMENTS)] = None,
    signature_policy: Annotated[
        str | None, typer.Option(help="Object identifier of the rules that it is signed by.")
    ] = None,
    policy_digest: Annotated[
        str | None, typer.Option(help="Of that policy: sha256:…, or the file with its text.")
    ] = None,
    policy_uri: Annotated[str | None, typer.Option(help="Where that policy can be read.")] = None,
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
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Put the signed version in the place of the input.")
    ] = False,
    as_json: AsJson = False,
    detached: Annotated[
        bool, typer.Option("--detached", help="Any file: write the signature beside it (.p7s).")
    ] = False,
) -> None:
    """Sign PDF files, or any file with --detached, with a key on a token, a phone, or in a file.

    With --out-dir, outputs that are finished already are left alone: an interrupted run goes on.
    No input is replaced unless --in-place asks for it.

    Exit codes: 0 signed; 1 not signed; 2 wrong usage; 4 not a readable PDF; 130 stopped by Ctrl-C.
    With many inputs the others are signed, and the worst one counts.
    """
    with told():
        looking = dry_run or preview is not None
        pairs = _pairs(files, out_dir, suffix=".p7s" if detached else "", looking=looking)
        if not (in_place or looking):
            _keep_inputs(pairs)
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
            statement=stated(commitment, signature_policy, policy_digest, policy_uri),
        )
        if detached:
            _without_pages(options, looking=looking)
        with opened(key, module, sign_certificate.given(cert)) as found:
            signer = sign_certificate.chain_of(found, cert, chain, at=options.signing_time)
            algorithm = SignatureAlgorithm(found.key.algorithm)
            if algorithm.is_experimental:
                err.print(f"antin: {algorithm}: chữ ký thử nghiệm / an experimental signature")
            if preview is not None:
                sign_ahead.save_preview(pairs[0][0], preview, algorithm, signer, options)
            if dry_run:
                inputs = [source for source, _ in pairs]
                good = sign_ahead.dry_run(inputs, algorithm, signer, options, as_json=as_json)
                raise typer.Exit(0 if good else FAILED)
            if looking:
                return
            tools = SigningTools(
                algorithm,
                signer,
                options,
                HttpTimestampSource(tsa) if tsa else None,
                _evidence(options.level, signer, trusted),
            )
            steps = tools.sign_detached if detached else tools.sign
            skip = tools.is_finished_beside if detached else tools.is_finished
            run = _sign_all(found.key, steps, pairs, skip if out_dir is not None else None)
        run.tell(pairs, as_json=as_json)
        code = run.worst
    if code:
        raise typer.Exit(code)


def _without_pages(options: SignatureOptions, *, looking: bool) -> None:
    """Refuse what is about a PDF where the signature stands beside any file."""
    given = (
        *(options.stamp, options.box, options.spot, options.page, options.field),
        *(options.reason, options.location, options.password, options.agency_copy, looking),
    )
    if any(each is not None and each is not False for each in given):
        raise typer.BadParameter("nothing about a PDF's page or form goes with --detached")


def _evidence(
    level: Level, signer: SignerChain, trusted: list[Path] | None
) -> EvidenceSource | None:
    if not level.reaches(Level.B_LT):
        return None
    return evidence.collector(trusted, (signer.certificate, *signer.others))


def _sign_all(
    key: SigningKey,
    steps: Steps,
    pairs: list[tuple[Path, Path]],
    is_done: Callable[[Path, Path], bool] | None = None,
) -> Run:
    run = Run()
    unseen = len(pairs) == 1 or not err.is_terminal
    with Progress(console=err, transient=True, disable=unseen) as progress:
        task = progress.add_task("Ký số / signing", total=len(pairs))
        for start in range(0, len(pairs), key.together):
            group = _Group(key)
            for source, target in pairs[start : start + key.together]:
                with group.noted(source):
                    if is_done is not None and is_done(source, target):
                        run.before.add(target)
                    else:
                        group.add(source, target, steps(source, target))
            run.signed |= group.sign()
            run.worst = max(run.worst, group.worst)
            if group.refused:
                break
            progress.advance(task, key.together)
    return run


class _Group:
    """Files that wait for their signatures together. What happens to one is told with its name."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self.worst = 0
        self.refused = False
        """Whether a person or provider said no, so that nobody should be asked for the rest."""
        self._waiting: list[tuple[Path, Path, bytes, Generator[bytes, bytes]]] = []

    @contextmanager
    def noted(self, *sources: Path) -> Iterator[None]:
        """Turn what goes wrong inside into a line for each of the files."""
        try:
            yield
        except OSError as error:
            for source in sources:
                complain(
                    f"{source}: {error.strerror or error}{elsewhere(error, source)}",
                    "Check its name, your rights and the space on the disk. / "
                    "Kiểm tra tên tệp, quyền truy cập và dung lượng đĩa.",
                )
            self.worst = max(self.worst, FAILED)
        except ROOM_ERRORS as error:
            for source in sources:
                complain_about(error, str(source))
            self.worst = max(self.worst, UNREADABLE if isinstance(error, NOT_READABLE) else FAILED)
            self.refused = self.refused or isinstance(error, SignatureRefused)

    def add(self, source: Path, target: Path, steps: Generator[bytes, bytes]) -> None:
        """Prepare a file."""
        self._waiting.append((source, target, next(steps), steps))

    def sign(self) -> set[Path]:
        """Have all of them signed, and finish each; returns the outputs that are there now."""
        signed: set[Path] = set()
        if not self._waiting:
            return signed
        sources, targets, messages, steps = zip(*self._waiting, strict=True)
        try:
            with self.noted(*sources):
                names = [source.name for source in sources]
                made = self.key.signatures(messages, names)
                for source, target, one, signature in zip(
                    sources, targets, steps, made, strict=True
                ):
                    with self.noted(source):
                        with suppress(StopIteration):
                            one.send(signature)
                        signed.add(target)
        finally:
            for one in steps:
                one.close()  # what is not finished leaves nothing behind
        return signed


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


def _keep_inputs(pairs: list[tuple[Path, Path]]) -> None:
    for source, target in pairs:
        with suppress(FileNotFoundError):
            if target.samefile(source):
                raise typer.BadParameter(f"{target} is the input itself; --in-place replaces it")


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
