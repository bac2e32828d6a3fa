"""Opens keys that answer later by their URI, with the providers that are set up here."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from hsm.algorithms import PublicKey, SignatureAlgorithm
from hsm.csc import CscAddress, CscKey
from hsm.csc_service import CscService, CscSettings
from hsm.errors import KeyUriInvalid
from hsm.ets102204 import Ets102204, Ets102204Settings
from hsm.key_uri import KeyScheme, KeyURI
from hsm.later import CanBatch, CanCancel, LaterKey
from hsm.mobile_id import MobileId
from hsm.pins import PinSources
from hsm.provider_http import ProviderHttp, SecretReader
from hsm.provider_settings import Provider, ProviderSettings
from hsm.refusals import ProviderSettingsInvalid, Refusal, refused
from hsm.sim import SimAdapter, SimAddress, SimKey


class RemoteKey(LaterKey, CanBatch, CanCancel, Protocol):
    """What every key at a provider can do."""


class LaterKeys:
    """The providers of one installation. Threads may share it; nothing is opened before use."""

    def __init__(
        self,
        settings: ProviderSettings,
        *,
        secrets_of: SecretReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._https: list[ProviderHttp] = []
        self._secrets_of = secrets_of
        self._clock = clock
        self._sims: dict[str, SimAdapter] = {}
        self._services: dict[str, CscService] = {}
        for (_, name), provider in settings.providers.items():
            self._add(name, provider)

    @property
    def names(self) -> Mapping[str, str]:
        """The providers that are set up: name of the section -> scheme."""
        return dict.fromkeys(self._sims, "sim") | dict.fromkeys(self._services, "csc")

    def open(
        self,
        uri: KeyURI | str,
        *,
        public_key: PublicKey,
        algorithm: SignatureAlgorithm,
        certificate: bytes | None = None,
    ) -> RemoteKey:
        """Give the key that a ``sim:`` or ``csc:`` URI names, for one certificate.

        Raises KeyUriInvalid, ProviderSettingsInvalid when no such provider is set up, or
        MechanismUnavailable. Nothing is sent yet.
        """
        uri = KeyURI.parse(uri) if isinstance(uri, str) else uri
        if uri.scheme is KeyScheme.SIM:
            adapter = self.phones(uri)
            return SimKey(
                uri=uri,
                adapter=adapter,
                public_key=public_key,
                algorithm=algorithm,
                certificate=certificate,
            )
        if uri.scheme is KeyScheme.CSC:
            return CscKey(
                uri=uri,
                service=self._service(uri),
                public_key=public_key,
                algorithm=algorithm,
                certificate=certificate,
            )
        raise KeyUriInvalid(f"a {uri.scheme}: key is not at a provider")

    def certificates(self, uri: KeyURI | str) -> list[bytes]:
        """Ask the provider for the certificates (DER) of a key: the signer's first.

        Raises what :meth:`open` does, and SignatureRefused. Nobody's phone rings.
        """
        uri = KeyURI.parse(uri) if isinstance(uri, str) else uri
        if uri.scheme is KeyScheme.SIM:
            return [self.phones(uri).certificate(SimAddress.of(uri))]
        if uri.scheme is not KeyScheme.CSC:
            raise KeyUriInvalid(f"a {uri.scheme}: key is not at a provider")
        found = self._service(uri).credential(CscAddress.of(uri).credential_id).certificates
        if not found:
            raise refused(Refusal.CERT_INVALID, "the service has no certificate for the credential")
        return list(found)

    def phones(self, uri: KeyURI) -> SimAdapter:
        """Give the operator that a ``sim:`` URI names."""
        adapter = self._sims.get(SimAddress.of(uri).provider)
        if adapter is None:
            raise _not_set(uri)
        return adapter

    def _service(self, uri: KeyURI) -> CscService:
        service = self._services.get(CscAddress.of(uri).provider)
        if service is None:
            raise _not_set(uri)
        return service

    def close(self) -> None:
        """Close every connection."""
        for http in self._https:
            http.close()

    def _add(self, name: str, provider: Provider) -> None:
        http = ProviderHttp(provider.reach, self._secrets_of)
        self._https.append(http)
        settings = provider.settings
        if isinstance(settings, CscSettings):
            self._services[name] = CscService(settings, http, secrets_of=self._secrets_of)
        elif isinstance(settings, Ets102204Settings):
            self._sims[name] = Ets102204(
                settings, http, secrets_of=self._secrets_of, clock=self._clock
            )
        else:
            self._sims[name] = MobileId(settings, http, secrets_of=self._secrets_of)


def no_providers() -> LaterKeys:
    """Give the providers of an installation that has none."""
    return LaterKeys(ProviderSettings(), secrets_of=PinSources().read, clock=_now)


def _now() -> datetime:
    raise AssertionError("nobody is asked where there is no provider")


def _not_set(uri: KeyURI) -> ProviderSettingsInvalid:
    name = uri.location.partition("/")[0]
    return ProviderSettingsInvalid(f"no provider {uri.scheme}.{name} is set up here")
