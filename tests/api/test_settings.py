"""What an operator can set, and what is told about a value that means nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from api.errors import SettingsInvalid
from api.settings import child_environment, from_environment

LONG = "0123456789abcdef-quản".encode("ascii", "ignore").decode() * 2


def test_without_a_variable_everything_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    settings = from_environment({})
    assert settings.home == Path("/var")
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.max_upload_bytes == 512 * 1024 * 1024
    assert settings.database_url is None
    assert settings.workers >= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTIN_PORT", "http"),
        ("ANTIN_PORT", "70000"),
        ("ANTIN_PORT", "-1"),
        ("ANTIN_PORT", "٨٠"),
        ("ANTIN_WORKERS", "0"),
        ("ANTIN_MAX_UPLOAD_BYTES", "1e9"),
        ("ANTIN_TSA_POLICIES", "baseline"),
        ("ANTIN_TSA_POLICIES", "3.1"),
        ("ANTIN_TSA_POLICIES", "1.2. 1"),
        ("ANTIN_DATABASE_URL", "sqlite:///x.db"),
        ("ANTIN_PUBLIC_URL", "ftp://ca.example"),
        ("ANTIN_PUBLIC_URL", "https://ca.example/?a=1"),
        ("ANTIN_ADMIN_TOKEN", "short"),
        ("ANTIN_ADMIN_TOKEN", "with a space in its middle"),
        ("ANTIN_PKCS11_MODULE", "/nowhere/lib.so"),
        ("ANTIN_PKCS11_THREAD_SAFE", "/nowhere/lib.so"),
        ("ANTIN_KEY_TOKEN", "token"),
        ("ANTIN_KEY_TOKEN", "pkcs11:serial=1"),
        ("ANTIN_KEY_TOKEN", "pkcs11:serial=1?pin-value=1234"),
        ("ANTIN_KEY_TOKEN", "soft:/k.p12?pin-source=file:/pin"),
        ("ANTIN_LOG_LEVEL", "loud"),
    ],
)
def test_a_senseless_value_is_named_with_what_to_do_and_never_shown(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        from_environment({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert name in caught.value.diagnostics()
    if name in {"ANTIN_ADMIN_TOKEN", "ANTIN_DATABASE_URL"}:
        assert value not in str(caught.value)


def test_secrets_do_not_show_in_the_settings() -> None:
    environment = {
        "ANTIN_DATABASE_URL": "postgresql://antin:secret-word@db/antin",
        "ANTIN_ADMIN_TOKEN": LONG,
    }
    shown = repr(from_environment(environment))
    assert "secret-word" not in shown
    assert LONG not in shown


def test_an_empty_module_means_no_token_and_a_missing_variable_the_usual_places() -> None:
    assert from_environment({"ANTIN_PKCS11_MODULE": ""}).pkcs11_module is None
    found = from_environment({}).pkcs11_module
    assert found is None or found.name == "libsofthsm2.so"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 -- read, not bound
        ("::1", "http://[::1]:8000"),
        ("ky-so.binhphuoc.gov.vn", "http://ky-so.binhphuoc.gov.vn:8000"),
    ],
)
def test_the_public_address_follows_the_host(host: str, url: str) -> None:
    assert from_environment({"ANTIN_HOST": host}).public_url == url


def test_a_child_process_gets_the_same_settings_and_the_running_database(tmp_path: Path) -> None:
    given = {"ANTIN_HOME": str(tmp_path), "ANTIN_PORT": "8123", "ANTIN_ADMIN_TOKEN": LONG}
    bounds = {f"ANTIN_MAX_WAITING_{of}": "7" for of in ("DOCUMENTS", "BYTES")} | {
        "ANTIN_MAX_FINISHED_BYTES": "8",
        "ANTIN_MIN_FREE_BYTES": "9",
    }
    stamps = {"ANTIN_TSA_URLS": "http://a/ http://b/", "ANTIN_TSA_POLICIES": "1.2.3"}
    settings = from_environment(given | bounds | stamps)
    assert (settings.max_waiting_bytes, settings.min_free_bytes) == (7, 9)
    child = from_environment(child_environment(settings, url="postgresql://u:p@h/d"))
    assert child.database_url is not None
    assert child.database_url.reveal_text() == "postgresql://u:p@h/d"
    assert child.admin_token is None
    assert replace(child, database_url=None) == replace(settings, admin_token=None)
