"""The simulated operator for people: pages without scripts, in two languages."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import httpx
import pytest
from typer.testing import CliRunner

from api.cli import application
from api.simulator.operator import REMEMBERED_PIN, Asked, Operator, Outcome
from hsm.algorithms import KeyAlgorithm
from hsm.providers import Prompt
from tests.providers.conftest import World, now

NUMBER = "+84912345678"
PROMPT = Prompt(text="Ký: <script>alert(1)</script> tờ trình.pdf")


class Labels(HTMLParser):
    """Collects what has a label, what needs one, and the language of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.labelled: set[str | None] = set()
        self.inputs: set[str | None] = set()
        self.tags: list[str] = []
        self.lang: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if tag == "html":
            self.lang = found.get("lang")
        if tag == "label":
            self.labelled.add(found.get("for"))
        if tag in {"input", "select"} and found.get("type") != "hidden":
            self.inputs.add(found.get("id"))


def page(world: World, path: str) -> tuple[httpx.Response, Labels]:
    answer = httpx.get(world.base + path, timeout=60, trust_env=False)
    labels = Labels()
    labels.feed(answer.text)
    return answer, labels


@pytest.mark.parametrize(("lang", "word"), [("vi", "Mã PIN ký số"), ("en", "Signing PIN")])
@pytest.mark.parametrize("provider", ["viettel", "mid"])
def test_the_page_shows_the_text_and_the_code_and_asks_for_the_pin(
    world: World, lang: str, word: str, provider: str
) -> None:
    pending = world.key(provider, NUMBER).start(b"document", PROMPT)
    answer, labels = page(world, f"/phone/{NUMBER}?lang={lang}")
    assert answer.status_code == 200
    assert word in answer.text
    assert (pending.prompt.code or "") in answer.text
    assert "<script>" not in answer.text
    assert labels.lang == lang
    assert labels.inputs <= labels.labelled
    assert {"main", "h1"} <= set(labels.tags)
    assert not {"script", "style"} & set(labels.tags)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def transaction_in(text: str) -> str:
    found = re.search(r'name="transaction" value="(T[0-9a-f]+)"', text)
    assert found
    return found[1]


def test_a_pin_on_the_page_signs(world: World) -> None:
    key = world.key("viettel", NUMBER)
    pending = key.start(b"document", PROMPT)
    found = transaction_in(page(world, f"/phone/{NUMBER}")[0].text)
    path = f"{world.base}/phone/{NUMBER}/answer"
    wrong = httpx.post(path, data={"transaction": found, "pin": "9"}, timeout=60, trust_env=False)
    assert "told=wrong" in wrong.headers["location"]
    assert key.collect(pending) is None
    right = httpx.post(
        path, data={"transaction": found, "pin": "1234"}, timeout=60, trust_env=False
    )
    assert "told=signed" in right.headers["location"]
    assert key.collect(pending)


def test_another_site_cannot_enter_a_pin(world: World) -> None:
    key = world.key("viettel", NUMBER)
    pending = key.start(b"document", PROMPT)
    found = transaction_in(page(world, f"/phone/{NUMBER}")[0].text)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = httpx.post(
            f"{world.base}/phone/{NUMBER}/answer",
            data={"transaction": found, "pin": "1234"},
            headers=headers,
            trust_env=False,
        )
        assert answer.status_code == 403
    assert key.collect(pending) is None


def test_a_phone_is_added_and_its_sim_swapped_on_the_page(world: World) -> None:
    form = {"msisdn": NUMBER, "key": "p-256"}
    assert (
        httpx.post(f"{world.base}/phones", data=form, timeout=60, trust_env=False).status_code
        == 303
    )
    before = world.operator.phone(NUMBER).iccid
    httpx.post(f"{world.base}/phone/{NUMBER}/swap", timeout=60, trust_env=False)
    assert world.operator.phone(NUMBER).iccid != before
    assert NUMBER in page(world, "/")[0].text
    for bad in ({"msisdn": "0912", "key": "p-256"}, {"msisdn": NUMBER, "key": "rsa-4096"}):
        assert (
            httpx.post(f"{world.base}/phones", data=bad, timeout=60, trust_env=False).status_code
            == 400
        )


@pytest.mark.parametrize("path", ["/phone/+84900000000", "/phone/x/request.pem"])
def test_a_phone_that_is_not_there_is_not_found(world: World, path: str) -> None:
    assert page(world, path)[0].status_code == 404


def asked(msisdn: str, *, shared: str | None = None) -> Asked:
    return Asked(
        msisdn=msisdn, hash_name="sha256", digest=bytes(32), text="x", seconds=60, shared=shared
    )


def test_a_remembered_pin_is_forgotten_after_a_quarter_of_an_hour() -> None:
    time = [now()]
    operator = Operator(lambda: time[0])
    operator.add_phone(NUMBER, algorithm=KeyAlgorithm.P_256)
    first = operator.ask(asked(NUMBER, shared="batch"))
    operator.enter_pin(first.id, "1234")
    assert operator.state(operator.ask(asked(NUMBER, shared="batch")).id).outcome is Outcome.SIGNED
    assert operator.state(operator.ask(asked(NUMBER, shared="other")).id).outcome is None
    time[0] += REMEMBERED_PIN + timedelta(seconds=1)
    assert operator.state(operator.ask(asked(NUMBER, shared="batch")).id).outcome is None


def test_a_question_nobody_answers_times_out_on_the_phone() -> None:
    time = [now()]
    operator = Operator(lambda: time[0])
    operator.add_phone(NUMBER, algorithm=KeyAlgorithm.P_256)
    made = operator.ask(asked(NUMBER))
    time[0] += timedelta(seconds=61)
    assert operator.state(made.id).outcome is Outcome.TIMEOUT
    assert operator.enter_pin(made.id, "1234").outcome is Outcome.TIMEOUT


def test_the_command_says_what_it_is() -> None:
    shown = CliRunner().invoke(application("simulate-operator"), ["simulate-operator", "--help"])
    assert shown.exit_code == 0
    assert "0401 refuses" in " ".join(shown.output.split())
