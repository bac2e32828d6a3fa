"""Many clients on several tokens at once: the same load for a short test and a long measurement."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hsm.algorithms import KeyAlgorithm, default_for, sign, verify
from hsm.errors import HsmError
from hsm.providers import KeyStore
from hsm.tokens import generate_key
from tests.tokens import new_token, process_home

SLOTS = 4
CLIENTS = 32


@dataclass(frozen=True)
class Soaked:
    """What came of it."""

    signatures: int
    errors: tuple[str, ...]
    refused_by_us: int
    """Signatures that the room itself found wrong and did not release."""


def soak(count: int) -> Soaked:
    """Make *count* signatures with RSA-2048 and P-256 keys; every one is verified by its client."""
    with KeyStore(modules=[process_home().module]) as store:
        keys = [
            store.open(generate_key(store, token.uri, label=kind, algorithm=kind))
            for token in (new_token(f"soak {slot}") for slot in range(SLOTS))
            for kind in (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256)
        ]
        errors: list[str] = []
        start = threading.Barrier(CLIENTS)

        def client(number: int) -> int:
            start.wait()
            made = 0
            for turn in range(number, count, CLIENTS):
                key = keys[(turn // CLIENTS + number) % len(keys)]
                algorithm = default_for(key.public_key())
                data = b"%d" % turn
                try:
                    verify(key.public_key(), algorithm, sign(key, algorithm, data), data)
                except HsmError as error:
                    errors.append(f"{type(error).__name__}: {error}")
                else:
                    made += 1
            return made

        with ThreadPoolExecutor(CLIENTS) as pool:
            made = sum(pool.map(client, range(CLIENTS)))
        wrong = sum(health.wrong_signatures for health in store.health())
        return Soaked(made, tuple(errors), wrong)
