"""The only reader of the environment: what an operator can set, checked before anything starts.

Every variable begins with ANTIN_; docs/operations lists them. Values that cannot be understood stop
the start with one sentence that names the variable (SettingsInvalid). Secrets are held in `Secret`
and never shown.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from api import authority_names
from api.authority_names import AuthorityNames
from api.errors import SettingsInvalid
from hsm.secret import Secret
from signing.bounds import DEFAULT_FINISHED, DEFAULT_FLOOR, Allowance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ca.guarded_fetch import Network
    from hsm.key_uri import KeyURI

DEFAULT_MAX_UPLOAD_BYTES = 512 * 1024 * 1024
MIN_ADMIN_TOKEN_CHARACTERS = 16
MAX_PORT = 65535
MAX_WORKERS = 256
LOG_LEVELS = ("debug", "info", "warning", "error")
SOFTHSM_PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was set, with defaults filled in; see `from_environment` for the variables."""

    home: Path
    database_url: Secret | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    workers: int = 1
    admin_token: Secret | None = None
    pkcs11_module: Path | None = None
    pkcs11_thread_safe: tuple[Path, ...] = ()
    key_token: KeyURI | None = None
    """The token on which keys are made instead of one of our own; settled at the first run."""
    authority: AuthorityNames = field(default_factory=AuthorityNames)
    """What our authorities are called; settled at the first run, and not told to children."""
    max_upload_bytes: int = DEFAULT_MAX_UPLOAD_BYTES
    max_waiting_documents: int = Allowance.documents
    max_waiting_bytes: int = Allowance.size
    """What may wait for one caller: uploads, documents for their holders, batches under way."""
    max_finished_bytes: int = DEFAULT_FINISHED
    """Finished documents of one caller that can be fetched again; the oldest go first."""
    min_free_bytes: int = DEFAULT_FLOOR
    """What stays free on the disk of `home`, whatever callers send."""
    status_networks: tuple[Network, ...] = ()
    """Private networks whose CRL and OCSP servers may be asked, as in a closed network."""
    algorithm_policy: Path | None = None
    """TOML of `ca.algorithm_policy_file`: which anchors may still have SHA-1 below them."""
    tsa_urls: tuple[str, ...] = ()
    tsa_policies: tuple[str, ...] = ()
    """Time-stamp servers asked, in this order, when our own authority cannot answer."""
    log_level: str = "info"
    job_concurrency: int = 2
    smtp_url: Secret | None = None
    mail_from: str = "antin@localhost"

    @property
    def spool(self) -> Path:
        """Where uploads lie while a request works on them."""
        return self.home / "spool"

    @property
    def allowance(self) -> Allowance:
        """What may wait, and be kept, for one caller."""
        return Allowance(
            documents=self.max_waiting_documents,
            size=self.max_waiting_bytes,
            finished=self.max_finished_bytes,
        )

    @property
    def counters(self) -> Path:
        """Where the processes count their requests, for `/metrics`."""
        return self.home / "counters"

    @property
    def secrets(self) -> Path:
        """Where generated PINs and passphrases lie, each readable by its owner only."""
        return self.home / "secrets"


def from_environment(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings; raises SettingsInvalid for the first that means nothing."""
    env = os.environ if environ is None else environ
    host = env.get("ANTIN_HOST") or "127.0.0.1"
    port = _number(env, "ANTIN_PORT", default=8000, low=0, high=MAX_PORT)
    return Settings(
        home=Path(env.get("ANTIN_HOME") or "var").expanduser().absolute(),
        database_url=_database_url(env),
        host=host,
        port=port,
        public_url=_public_url(env, host, port),
        workers=_number(env, "ANTIN_WORKERS", default=os.cpu_count() or 1, low=1, high=MAX_WORKERS),
        admin_token=_admin_token(env),
        pkcs11_module=_pkcs11_module(env),
        pkcs11_thread_safe=_files(env, "ANTIN_PKCS11_THREAD_SAFE"),
        key_token=_key_token(env),
        authority=authority_names.read(env),
        algorithm_policy=_file(env, "ANTIN_ALGORITHM_POLICY"),
        max_upload_bytes=_number(
            env, "ANTIN_MAX_UPLOAD_BYTES", default=DEFAULT_MAX_UPLOAD_BYTES, low=1024, high=1 << 40
        ),
        max_waiting_documents=_number(
            env, "ANTIN_MAX_WAITING_DOCUMENTS", default=Allowance.documents, low=1, high=10**7
        ),
        max_waiting_bytes=_bytes(env, "ANTIN_MAX_WAITING_BYTES", default=Allowance.size),
        max_finished_bytes=_bytes(env, "ANTIN_MAX_FINISHED_BYTES", default=DEFAULT_FINISHED),
        min_free_bytes=_bytes(env, "ANTIN_MIN_FREE_BYTES", default=DEFAULT_FLOOR),
        status_networks=_networks(env, "ANTIN_STATUS_NETWORKS"),
        tsa_urls=_addresses(env, "ANTIN_TSA_URLS"),
        tsa_policies=_identifiers(env, "ANTIN_TSA_POLICIES"),
        log_level=_log_level(env),
        job_concurrency=_number(env, "ANTIN_JOB_CONCURRENCY", default=2, low=1, high=64),
        smtp_url=_smtp_url(env),
        mail_from=_mail_from(env),
    )


def secret_from_environment(name: str) -> Secret:
    """Return the value of a variable that a key URI names as its pin-source (`env:NAME`)."""
    return Secret(os.environ.get(name, ""))


def _number(env: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise SettingsInvalid(name, "a whole number is expected")
    value = int(text)
    if not low <= value <= high:
        raise SettingsInvalid(name, f"a number from {low} to {high} is expected")
    return value


def _bytes(env: Mapping[str, str], name: str, *, default: int) -> int:
    return _number(env, name, default=default, low=0, high=1 << 50)


def _addresses(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(env.get(name, "").split())
    for address in found:
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsInvalid(name, "addresses http(s)://… with blanks between are expected")
    return found


def _identifiers(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    found = tuple(env.get(name, "").split())
    for identifier in found:
        first, _, rest = identifier.partition(".")
        arcs = rest.split(".")
        if first not in {"0", "1", "2"} or not all(arc.isascii() and arc.isdigit() for arc in arcs):
            raise SettingsInvalid(name, "object identifiers with blanks between are expected")
    return found


def _database_url(env: Mapping[str, str]) -> Secret | None:
    text = env.get("ANTIN_DATABASE_URL", "").strip()
    if not text:
        return None
    if urlsplit(text).scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise SettingsInvalid("ANTIN_DATABASE_URL", "an address postgresql://… is expected")
    return Secret(text)


def _public_url(env: Mapping[str, str], host: str, port: int) -> str:
    text = env.get("ANTIN_PUBLIC_URL", "").strip().rstrip("/")
    if not text:
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 -- compared, not bound
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise SettingsInvalid("ANTIN_PUBLIC_URL", "an address http(s)://host is expected")
    return text


def _smtp_url(env: Mapping[str, str]) -> Secret | None:
    text = env.get("ANTIN_SMTP_URL", "").strip()
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"smtp", "smtp+starttls", "smtps"} or not parts.hostname:
        problem = "smtp://, smtp+starttls:// or smtps://[user:password@]host[:port] is expected"
        raise SettingsInvalid("ANTIN_SMTP_URL", problem)
    return Secret(text)


def _mail_from(env: Mapping[str, str]) -> str:
    text = env.get("ANTIN_MAIL_FROM", "").strip() or "antin@localhost"
    if "@" not in text or not text.isprintable() or " " in text:
        raise SettingsInvalid("ANTIN_MAIL_FROM", "an e-mail address is expected")
    return text


def _admin_token(env: Mapping[str, str]) -> Secret | None:
    text = env.get("ANTIN_ADMIN_TOKEN", "")
    if not text:
        return None
    if len(text) < MIN_ADMIN_TOKEN_CHARACTERS or not all("!" <= c <= "~" for c in text):
        problem = f"at least {MIN_ADMIN_TOKEN_CHARACTERS} printable ASCII characters are expected"
        raise SettingsInvalid("ANTIN_ADMIN_TOKEN", problem)
    return Secret(text)


def _pkcs11_module(env: Mapping[str, str]) -> Path | None:
    text = env.get("ANTIN_PKCS11_MODULE")
    if text is None:
        return next((Path(p) for p in SOFTHSM_PLACES if Path(p).is_file()), None)
    if not text.strip():
        return None
    path = Path(text).expanduser()
    if not path.is_file():
        raise SettingsInvalid("ANTIN_PKCS11_MODULE", "there is no such file")
    return path


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    words = env.get(name, "").replace(",", " ").split()
    try:
        return tuple(ip_network(word) for word in words)
    except ValueError as error:
        problem = "networks such as 10.0.0.0/8 are expected, with commas between them"
        raise SettingsInvalid(name, problem) from error


def _file(env: Mapping[str, str], name: str) -> Path | None:
    text = env.get(name, "").strip()
    if not text:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise SettingsInvalid(name, "there is no such file")
    return path


def _files(env: Mapping[str, str], name: str) -> tuple[Path, ...]:
    found = tuple(Path(text).expanduser() for text in env.get(name, "").split(os.pathsep) if text)
    if not all(path.is_file() for path in found):
        raise SettingsInvalid(name, f"paths of files with {os.pathsep} between are expected")
    return found


def _key_token(env: Mapping[str, str]) -> KeyURI | None:
    text = env.get("ANTIN_KEY_TOKEN", "").strip()
    if not text:
        return None
    from hsm.errors import KeyUriInvalid  # noqa: PLC0415 -- most commands need no key
    from hsm.key_uri import KeyScheme, KeyURI  # noqa: PLC0415 -- as above

    try:
        uri = KeyURI.parse(text)
    except KeyUriInvalid as error:
        raise SettingsInvalid("ANTIN_KEY_TOKEN", str(error)) from error
    if uri.scheme is not KeyScheme.PKCS11 or uri.pin_source is None:
        problem = "the pkcs11: URI of a token with its pin-source is expected"
        raise SettingsInvalid("ANTIN_KEY_TOKEN", problem)
    return uri


def _log_level(env: Mapping[str, str]) -> str:
    level = (env.get("ANTIN_LOG_LEVEL") or "info").strip().lower()
    if level not in LOG_LEVELS:
        raise SettingsInvalid("ANTIN_LOG_LEVEL", "expected one of " + ", ".join(LOG_LEVELS))
    return level


def prefers_vietnamese(environ: Mapping[str, str] | None = None) -> bool:
    """Say whether help is to be in Vietnamese: ANTIN_LANG, else what the system's locale says."""
    env = os.environ if environ is None else environ
    names = ("ANTIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    asked = next((env[name] for name in names if env.get(name)), "")
    return asked.lower().startswith("vi")


def child_environment(settings: Settings, *, url: str) -> dict[str, str]:
    """Return the environment for a process of the same server, with the running database's URL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIN_")}
    module = settings.pkcs11_module
    return kept | {
        "ANTIN_HOME": str(settings.home),
        "ANTIN_DATABASE_URL": url,
        "ANTIN_HOST": settings.host,
        "ANTIN_PORT": str(settings.port),
        "ANTIN_PUBLIC_URL": settings.public_url,
        "ANTIN_WORKERS": str(settings.workers),
        "ANTIN_PKCS11_MODULE": str(module) if module is not None else "",
        "ANTIN_PKCS11_THREAD_SAFE": os.pathsep.join(map(str, settings.pkcs11_thread_safe)),
        "ANTIN_KEY_TOKEN": str(settings.key_token or ""),
        "ANTIN_MAX_UPLOAD_BYTES": str(settings.max_upload_bytes),
        "ANTIN_MAX_WAITING_DOCUMENTS": str(settings.max_waiting_documents),
        "ANTIN_MAX_WAITING_BYTES": str(settings.max_waiting_bytes),
        "ANTIN_MAX_FINISHED_BYTES": str(settings.max_finished_bytes),
        "ANTIN_MIN_FREE_BYTES": str(settings.min_free_bytes),
        "ANTIN_TSA_URLS": " ".join(settings.tsa_urls),
        "ANTIN_TSA_POLICIES": " ".join(settings.tsa_policies),
        "ANTIN_STATUS_NETWORKS": ",".join(str(one) for one in settings.status_networks),
        "ANTIN_ALGORITHM_POLICY": str(settings.algorithm_policy or ""),
        "ANTIN_LOG_LEVEL": settings.log_level,
        "ANTIN_JOB_CONCURRENCY": str(settings.job_concurrency),
        "ANTIN_SMTP_URL": settings.smtp_url.reveal_text() if settings.smtp_url else "",
        "ANTIN_MAIL_FROM": settings.mail_from,
    }


def demo_environment(*, home: Path, port: int, token: str) -> dict[str, str]:
    """Return the environment for a throw-away server; only the PKCS#11 module is taken over."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIN_")}
    if "ANTIN_PKCS11_MODULE" in os.environ:
        kept["ANTIN_PKCS11_MODULE"] = os.environ["ANTIN_PKCS11_MODULE"]
    return kept | {
        "ANTIN_HOME": str(home),
        "ANTIN_PORT": str(port),
        "ANTIN_ADMIN_TOKEN": token,
        "ANTIN_WORKERS": "1",
        "ANTIN_LOG_LEVEL": "warning",
    }
