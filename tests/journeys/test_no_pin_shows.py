"""A day with the log at its most talkative: no PIN or passphrase is in any output, log or row."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg import sql

from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key, write_certificate
from tests.hsm.certificates import self_signed
from tests.journeys.running import ROOT, SAMPLE, Running, people, running

pytestmark = [pytest.mark.token, pytest.mark.slow]

WRONG = "saiPIN-86420135"
NEW = "moiPIN-97531246"
PASSPHRASE = "matkhau-tep-55667788"  # noqa: S105 - what is searched for


@pytest.fixture
def signing_token(key_store: KeyStore, softhsm_token: SoftHSMToken) -> KeyURI:
    """A token of a person, with a key and its certificate, named without any PIN."""
    made = generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)
    certificate = self_signed(key_store.open(made), name="Nguyễn Văn A")
    der = certificate.public_bytes(Encoding.DER)
    write_certificate(key_store, made, certificate=der)
    return KeyURI.for_token(serial=softhsm_token.serial).with_key(key_id=made.id)


def test_no_pin_is_in_any_output_log_or_row(
    database_url: str, softhsm_token: SoftHSMToken, signing_token: KeyURI, tmp_path: Path
) -> None:
    files = {"wrong": WRONG, "new": NEW, "passphrase": PASSPHRASE}
    for name, value in files.items():
        (tmp_path / name).write_text(value)
    said: list[str] = []
    with running(ANTIN_LOG_LEVEL="debug", ANTIN_DATABASE_URL=database_url) as server:
        with people(server) as office:
            certificate = office.certificate(kind="p-256")
            signed = office.first.post(
                "/api/v1/sign",
                params={"certificate_id": certificate["id"]},
                content=SAMPLE.read_bytes(),
                headers={"Content-Type": "application/pdf"},
            )
            assert signed.status_code == 200
            refused = office.first.get("/api/v1/certificates", params={"pin": WRONG})
            listed = office.first.get("/api/v1/certificates")
            said += [refused.text, listed.text]
        said += commands(server, softhsm_token, signing_token, tmp_path)
        server.stop()
        said += [file.read_text(errors="replace") for file in plain_files(server.home)]
        pins = {
            *(WRONG, NEW, PASSPHRASE),
            *(pin.read_text().strip() for pin in server.home.glob("softhsm/pins/*")),
            *(pin.read_text().strip() for pin in softhsm_token.pin_file.parent.iterdir()),
        }
        rows = dump(database_url)

    assert any("DEBUG" in text for text in said)
    assert sum("refused the PIN" in text for text in said) >= 2
    assert certificate["id"] in "\n".join(rows)
    assert certificate["id"] in "\n".join(said)
    shown = "\n".join(said) + "\n".join(rows)
    found = [pin for pin in pins for form in forms(pin) if form in shown]
    assert found == []


def commands(server: Running, token: SoftHSMToken, key: KeyURI, folder: Path) -> list[str]:
    """Sign, list, change and unlock at the command line, with wrong PINs and right ones."""
    right, so_pin = f"file:{token.pin_file}", f"file:{token.so_pin_file}"
    wrong, new = f"file:{folder / 'wrong'}", f"file:{folder / 'new'}"
    calls = [
        ("sign", SAMPLE, folder / "a.pdf", "--key", f"{key}?pin-source={wrong}"),
        ("sign", SAMPLE, folder / "b.pdf", "--key", f"{key}?pin-source={right}"),
        ("sign", SAMPLE, folder / "c.pdf", "--key", f"{key}?pin-value={WRONG}"),
        ("sign", SAMPLE, folder / "d.pdf", "--key", f"soft:/none.p12?pin-source={wrong}"),
        ("tokens", "objects", token.serial, "--pin", wrong),
        ("tokens", "objects", token.serial, "--pin", WRONG),
        ("tokens", "change-pin", token.serial, "--pin", right, "--new-pin", new),
        ("tokens", "unlock", token.serial, "--so-pin", wrong, "--new-pin", new),
        ("tokens", "unlock", token.serial, "--so-pin", so_pin, "--new-pin", right),
        ("tokens", "objects", token.serial, "--pin", right, "--json"),
    ]
    environment = {
        **server.environment,
        "SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"],
        "ANTIN_PKCS11_MODULE": str(token.module),
    }
    done = [
        subprocess.run(
            [sys.executable, "-m", "api.cli", *map(str, call)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        for call in calls
    ]
    assert [one.returncode for one in done] == [1, 0, 1, 1, 1, 2, 0, 1, 0, 0], done
    return [one.stdout + one.stderr for one in done]


def plain_files(home: Path) -> list[Path]:
    """Every file of the home but the places that are there for secrets."""
    secret = {"pins", "tokens", "secrets"}
    return [
        path
        for path in home.rglob("*")
        if path.is_file() and not secret & set(path.relative_to(home).parts)
    ]


def dump(url: str) -> list[str]:
    """Every row of every table, as text; bytes are in hexadecimal."""
    with psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            " AND has_schema_privilege(schemaname, 'USAGE')"  # not the tests' own seed
        ).fetchall()
        rows = []
        for schema, table in tables:
            name = sql.Identifier(schema, table)
            query = sql.SQL("SELECT t::text FROM {} t").format(name)
            rows += [str(row[0]) for row in connection.execute(query)]
        return rows


def forms(pin: str) -> tuple[str, ...]:
    """What a PIN may look like when it leaks: itself, or its bytes in hexadecimal."""
    return pin, pin.encode().hex()
