"""Our word on every signed file beside that of three other verifiers; differences are explained."""

import io
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from pdf.verify import verify
from tests.oracles import peers
from tests.oracles.peers import Word
from tests.pdf.signing_kit import CORPUS, NOW
from tests.pdf.verifying_kit import TRUST_ALL

pytestmark = pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")

TABLE = Path(__file__).with_name("disagreements.toml")
PEERS: dict[str, Callable[[Path], Word]] = {
    "pdfsig": peers.pdfsig,
    "pyhanko": peers.pyhanko,
    "openssl": peers.openssl,
}
Row = tuple[Word, Word]


@cache
def explained(peer: str) -> dict[str, Row]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["disagreement"]
    assert all(row["why"].strip() for row in rows)
    return {
        file: (Word(row["ours"]), Word(row["theirs"]))
        for row in rows
        if row["peer"] == peer
        for file in row["files"]
    }


@cache
def our_words() -> dict[Path, Word]:
    files = sorted((CORPUS / "signed").iterdir()) if CORPUS.exists() else []
    return {
        file: peers.ours(
            verify(
                io.BytesIO(file.read_bytes()),
                name=file.name,
                at=NOW,
                checked_at=NOW,
                validator=TRUST_ALL,
            )
        )
        for file in files
    }


@pytest.mark.parametrize("peer", PEERS)
def test_every_disagreement_with_a_peer_is_explained(peer: str) -> None:
    found = {
        file.name[:8]: (word, theirs)
        for file, word in our_words().items()
        if (theirs := PEERS[peer](file)) is not word
    }
    assert found == explained(peer)


def test_nothing_that_all_peers_object_to_is_good_here() -> None:
    for file, word in our_words().items():
        if word is Word.GOOD:
            others = [PEERS[peer](file) for peer in ("pdfsig", "openssl")]
            assert Word.GOOD in others, file.name
