"""A backup of a whole installation comes back elsewhere and works, or nothing is touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from api import backup, first_run
from api.errors import BackupUnusable, NotEmpty
from api.settings import SOFTHSM_PLACES, Settings
from api.wiring import build, make_home, utc_now
from db import audit_verification, schema
from hsm.secret import Secret
from pdf.options import Level, SignatureOptions
from signing import sign
from signing.models import Signature
from signing.sign import SignOrder
from tests.api.conftest import served
from tests.api.office import ADMINISTRATOR, Office, empty_pdf
from tests.database import TestDatabases

MODULE = next((Path(p) for p in SOFTHSM_PLACES if Path(p).is_file()), None)
ACTOR = "operator:test"
ROOT = Path(__file__).parents[2]


def settings_in(home: Path, module: Path | None) -> Settings:
    return Settings(home=home, admin_token=Secret(ADMINISTRATOR), pkcs11_module=module)


def test_a_backup_of_key_files_comes_back_in_another_home_and_signs(tmp_path: Path) -> None:
    come_back_and_sign(tmp_path, None)


@pytest.mark.token
def test_a_backup_of_a_token_comes_back_in_another_home_and_signs(tmp_path: Path) -> None:
    # SoftHSM takes the first home that a process names for ever, so this gets its own process
    environment = {name: value for name, value in os.environ.items() if name != "SOFTHSM2_CONF"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.test_backup", str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def come_back_and_sign(tmp_path: Path, module: Path | None) -> None:
    """Back an installation up, restore it elsewhere, and sign there with the same key."""
    old, new = settings_in(tmp_path / "old", module), settings_in(tmp_path / "new", module)
    with first_run.database(old) as url:
        first_run.set_up(old, url)
        wiring = build(old, url)
        with (
            served(wiring) as base,
            httpx.Client(base_url=base, timeout=60, trust_env=False) as http,
        ):
            office = Office(wiring, http)
            certificate = office.certificate()
            assert office.sign(empty_pdf(), certificate_id=certificate["id"]).status_code == 200
            made = backup.backup(old, tmp_path / "kept", at=utc_now(), actor=ACTOR)
        wiring.close()
    assert made.files > 3
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "kept").rglob("*"))

    assert backup.restore(new, tmp_path / "kept", at=utc_now(), actor=ACTOR) == made
    with first_run.database(new) as url:
        again = first_run.set_up(new, url)
        assert not again.first_run
        wiring = build(new, url)
        at = wiring.clock()
        order = SignOrder(
            certificate_id=certificate["id"],
            file_name="b.pdf",
            options=SignatureOptions(signing_time=at),
            level=Level.B_B,
        )
        source = tmp_path / "b.pdf"
        source.write_bytes(empty_pdf())
        with source.open("rb") as file:
            request = sign.start(wiring.desk, file, order, at=at, actor=ACTOR)
        sign.sign_now(wiring.desk, request.id, at=at, actor=ACTOR)
        with wiring.sessions() as session:
            assert session.scalar(select(func.count()).select_from(Signature)) == 2
            assert audit_verification.verify(session).intact
        wiring.close()


@pytest.fixture(scope="module")
def external(postgres: TestDatabases) -> Secret:
    """A database as the service makes it, without what the tests' own have besides."""
    url = postgres.new_database(migrated=False)
    schema.upgrade(url)
    return Secret(url)


@pytest.fixture
def kept(tmp_path: Path, external: Secret) -> tuple[Settings, Path]:
    """A backup without an embedded server, which takes its time."""
    settings = Settings(home=tmp_path / "old", database_url=external)
    make_home(settings)
    (settings.home / "keys").mkdir()
    (settings.home / "keys" / "a.p8").write_bytes(b"a key")
    backup.backup(settings, tmp_path / "kept", at=utc_now(), actor=ACTOR)
    return settings, tmp_path / "kept"


def test_a_home_or_a_folder_in_use_is_never_written_to(kept: tuple[Settings, Path]) -> None:
    settings, folder = kept
    with pytest.raises(NotEmpty):
        backup.restore(settings, folder, at=utc_now(), actor=ACTOR)
    with pytest.raises(NotEmpty):
        backup.backup(settings, folder, at=utc_now(), actor=ACTOR)


def test_an_external_database_in_use_is_never_written_to(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, folder = kept
    other = Settings(home=tmp_path / "new", database_url=settings.database_url)
    with pytest.raises(NotEmpty, match="database"):
        backup.restore(other, folder, at=utc_now(), actor=ACTOR)


def test_a_changed_or_missing_file_stops_the_restore_before_it_begins(
    kept: tuple[Settings, Path], tmp_path: Path
) -> None:
    _, folder = kept
    new = Settings(home=tmp_path / "new")
    key = folder / "home" / "keys" / "a.p8"
    key.write_bytes(b"b key")
    with pytest.raises(BackupUnusable, match="not as it was written"):
        backup.restore(new, folder, at=utc_now(), actor=ACTOR)
    key.unlink()
    with pytest.raises(BackupUnusable, match="missing"):
        backup.restore(new, folder, at=utc_now(), actor=ACTOR)
    assert not new.home.exists()


@pytest.mark.parametrize("name", ["home/../../evil", "/etc/evil", "elsewhere"])
def test_a_manifest_that_names_a_file_elsewhere_is_refused(
    kept: tuple[Settings, Path], tmp_path: Path, name: str
) -> None:
    _, folder = kept
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].append({"name": name, "size": 0, "sha256": ""})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BackupUnusable, match="elsewhere"):
        backup.restore(Settings(home=tmp_path / "new"), folder, at=utc_now(), actor=ACTOR)


if __name__ == "__main__":
    come_back_and_sign(Path(sys.argv[1]), MODULE)
