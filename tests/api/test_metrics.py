"""`/metrics`: figures of all processes, in the form that Prometheus reads."""

import os
import re
from pathlib import Path

import pytest

from api.counters import DOORS, Counters, door_of, start_anew
from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, sign
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key
from tests.api.office import Office, empty_pdf

LINE = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+')


def figures(office: Office) -> dict[str, float]:
    answer = office.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in lines), lines
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_requests_and_their_answers_are_counted(office: Office) -> None:
    certificate = office.certificate()
    before = figures(office)
    assert office.sign(empty_pdf(), certificate_id=certificate["id"]).status_code == 200
    assert office.sign(b"no document", certificate_id=certificate["id"]).status_code == 422
    after = figures(office)

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('antin_http_requests_total{door="sign",status="2xx"}') == 1
    assert grown('antin_http_requests_total{door="sign",status="4xx"}') == 1
    assert grown('antin_http_request_seconds_count{door="sign"}') == 2
    assert grown('antin_http_request_seconds_bucket{door="sign",le="+Inf"}') == 2
    assert after["antin_database_up"] == 1


def test_the_age_of_what_is_published_is_told(office: Office) -> None:
    office.certificate()
    found = figures(office)
    assert 0 <= found['antin_crl_age_seconds{authority="issuing"}'] < 3600
    assert found['antin_crl_expires_seconds{authority="root"}'] > 0
    assert found["antin_ocsp_expires_seconds"] > 0
    assert found['antin_jobs{state="failed"}'] == 0


@pytest.mark.token
def test_each_token_tells_how_it_is(
    office: Office, key_store: KeyStore, softhsm_token: SoftHSMToken
) -> None:
    uri = generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)
    sign(key_store.open(uri), SignatureAlgorithm.ECDSA_SHA256, b"data")
    office.wiring.keys = key_store
    found = figures(office)
    (token,) = key_store.health()
    whose = f'{{serial="{token.serial}",label="{token.label}",process="{os.getpid()}"}}'
    assert found[f"antin_token_present{whose}"] == 1
    assert found[f"antin_token_logged_in{whose}"] == 1
    assert found[f"antin_token_sessions{whose}"] >= 1
    assert found[f"antin_token_operations_total{whose}"] > 1
    assert 0 < found[f"antin_token_operation_seconds{whose}"] < 1
    for none in ("failures", "wrong_signatures", "failovers", "pins_refused"):
        assert found[f"antin_token_{none}_total{whose}"] == 0
    state = f'{{serial="{token.serial}",label="{token.label}",state="good"}}'
    assert found[f"antin_token_pin_state{state}"] == 1


def test_what_several_processes_counted_is_added_up_until_the_server_starts_anew(
    tmp_path: Path,
) -> None:
    one, other = Counters(tmp_path), Counters(tmp_path)
    one.count("/api/v1/sign", 200, 0.002)
    one.close()
    other.count("/api/v1/sign", 200, 0.2)
    sign = other.sums()[DOORS.index("sign")]
    assert (sign.by_status["2xx"], round(sign.seconds, 3)) == (2, 0.202)
    other.close()
    start_anew(tmp_path)
    fresh = Counters(tmp_path)
    assert fresh.sums()[DOORS.index("sign")].by_status["2xx"] == 0
    fresh.close()


@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/api/v1/sign/0190/document", "sign"),
        ("/api/v1/certificates", "api"),
        ("/sign", "pages"),
        ("/ocsp/MEUw", "ocsp"),
        ("/readyz", "health"),
        ("/made-up-by-a-stranger", "pages"),
    ],
)
def test_every_path_belongs_to_one_of_a_few_doors(path: str, door: str) -> None:
    assert DOORS[door_of(path)] == door
