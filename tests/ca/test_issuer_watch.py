"""What other issuers publish is compared with our record, and differences are told once."""

import http.server
import ipaddress
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from sqlalchemy import select

from ca import imports, issuer_watch, known_issuers, registry, reports
from ca.errors_registry import DifferenceClosed, IssuerInvalid, IssuerTaken
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.import_files import of_certificates
from ca.imports import ImportOptions, Source
from ca.known_issuers import IssuerDetails
from ca.models import Certificate, CertificateStatus
from ca.models_imports import DifferenceState, IssuerStatus, StatusDifference
from ca.models_issuers import KnownIssuer
from ca.reports import Totals
from ca.revocation_reasons import RevocationReason
from tests.ca.elsewhere import BEGIN, Elsewhere, der
from tests.ca.house import AT, CHIEF, CLERK, House, ec_key

FETCHER = Fetcher(FetchLimits(allowed=(ipaddress.ip_network("127.0.0.0/8"),)))
KEY_COMPROMISE = x509.ReasonFlags.key_compromise


@dataclass
class Published:
    """A web server on this machine, with what an issuer puts there."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: int = 0

    def answer(self, request: bytes) -> bytes:
        del request
        return b""


@pytest.fixture
def published() -> Iterator[Published]:
    made = Published()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(made.files.get(self.path))

        def do_POST(self) -> None:
            made.asked += 1
            length = int(self.headers.get("Content-Length", "0"))
            self._send(made.answer(self.rfile.read(length)))

        def _send(self, body: bytes | None) -> None:
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def registered(house: House, ca: Elsewhere, *serials: int) -> dict[int, Certificate]:
    """Import certificates of the CA, and the CA itself."""
    serials = serials or (1, 2, 3)
    house.organization("Sở Nội vụ")
    found = [der(ca.issue(n, f"Nguyễn Văn {n}")) for n in serials]
    rows = of_certificates([*found, der(ca.certificate)], label="token")
    with house.sessions.begin() as session:
        made = imports.submit(
            session,
            source=Source("token", "token", ""),
            rows=rows,
            options=ImportOptions(),
            at=AT,
            actor=CLERK,
        )
    imports.run(house.sessions, made.id, at=AT)
    with house.sessions() as session:
        all_ = session.scalars(select(Certificate)).all()
    return {int(one.serial_number, 16): one for one in all_}


def open_differences(house: House) -> list[tuple[StatusDifference, Certificate]]:
    with house.sessions() as session:
        return issuer_watch.differences(session, limit=50)


def test_a_revocation_that_we_do_not_know_of_is_told_once_and_can_be_accepted(
    house: House, published: Published
) -> None:
    ca = Elsewhere(crl_url=f"{published.url}/ca.crl")
    registered(house, ca)
    gone = AT - timedelta(days=30)
    published.files["/ca.crl"] = ca.crl([(2, gone, KEY_COMPROMISE)])
    for _ in range(2):
        (comparison,) = issuer_watch.watch(house.sessions, FETCHER, at=AT)
        assert (comparison.compared, comparison.differing, comparison.problem) == (3, 1, None)
    ((difference, certificate),) = open_differences(house)
    assert (certificate.common_name, difference.ours) == ("Nguyễn Văn 2", "active")
    assert (difference.theirs, difference.their_moment) == (IssuerStatus.REVOKED, gone)
    with house.sessions.begin() as session:
        issuer_watch.accept(session, difference.id, at=AT, actor=CHIEF)
    with house.sessions.begin() as session:
        row = registry.get(session, certificate.id)
        assert (row.status, row.revoked_at) == (CertificateStatus.REVOKED, gone)
        assert row.revocation_reason is RevocationReason.KEY_COMPROMISE
        totals = reports.certificate_totals(session, as_of=gone + timedelta(hours=1)).totals
        assert totals == Totals(3, 2, 0, 1, 0)
        with pytest.raises(DifferenceClosed):
            issuer_watch.accept(session, difference.id, at=AT, actor=CHIEF)
    (comparison,) = issuer_watch.watch(house.sessions, FETCHER, at=AT)
    assert comparison.differing == 0
    assert open_differences(house) == []


def test_a_difference_that_is_gone_is_settled_and_another_one_takes_its_place(
    house: House, published: Published
) -> None:
    ca = Elsewhere(crl_url=f"{published.url}/ca.crl")
    registered(house, ca)
    moments = {
        x509.ReasonFlags.certificate_hold: IssuerStatus.SUSPENDED,
        KEY_COMPROMISE: IssuerStatus.REVOKED,
    }
    for reason, expected in moments.items():
        published.files["/ca.crl"] = ca.crl([(1, AT, reason)])
        issuer_watch.watch(house.sessions, FETCHER, at=AT)
        ((difference, _),) = open_differences(house)
        assert difference.theirs is expected
    published.files["/ca.crl"] = ca.crl()
    issuer_watch.watch(house.sessions, FETCHER, at=AT)
    assert open_differences(house) == []
    with house.sessions() as session:
        states = session.scalars(select(StatusDifference.state)).all()
    assert states == [DifferenceState.SETTLED, DifferenceState.SETTLED]


@pytest.mark.parametrize(
    "what", ["forged", "stale", "nonsense", "missing", "of another issuer", "none known"]
)
def test_a_list_that_proves_nothing_changes_nothing_and_is_told(
    house: House, published: Published, what: str
) -> None:
    ca = Elsewhere(crl_url=None if what == "none known" else f"{published.url}/ca.crl")
    registered(house, ca)
    revoked = [(1, AT, KEY_COMPROMISE)]
    lists = {
        "forged": ca.crl(revoked, key=ec_key()),
        "stale": ca.crl(revoked, at=AT - timedelta(days=30)),
        "nonsense": b"not a list",
        "of another issuer": Elsewhere("khác").crl(revoked),
    }
    if what in lists:
        published.files["/ca.crl"] = lists[what]
    (comparison,) = issuer_watch.watch(house.sessions, FETCHER, at=AT)
    expected = {"missing": issuer_watch.UNREACHABLE, "none known": issuer_watch.NO_ADDRESS}
    assert comparison.problem == expected.get(what, issuer_watch.NOT_TRUSTWORTHY)
    assert open_differences(house) == []
    with house.sessions() as session:
        (issuer,) = session.scalars(select(KnownIssuer)).all()
        assert (issuer.check_problem, issuer.checked_at) == (comparison.problem, None)


def test_without_a_list_the_issuers_ocsp_service_is_asked(
    house: House, published: Published
) -> None:
    ca = Elsewhere()
    known = registered(house, ca)

    def answer(request: bytes) -> bytes:
        asked = ocsp.load_der_ocsp_request(request)
        revoked = asked.serial_number == 3
        stored = known[asked.serial_number].der
        assert stored is not None
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=x509.load_der_x509_certificate(stored),
            issuer=ca.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303 -- the hash that names an issuer in OCSP
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=AT,
            next_update=AT + timedelta(days=1),
            revocation_time=BEGIN + timedelta(days=9) if revoked else None,
            revocation_reason=KEY_COMPROMISE if revoked else None,
        )
        signed = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, ca.certificate)
        return signed.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)

    published.answer = answer  # type: ignore[method-assign]
    with house.sessions.begin() as session:
        (issuer,) = known_issuers.listing(session)
        details = IssuerDetails(issuer.name, ocsp_urls=(f"{published.url}/ocsp",))
        known_issuers.change(session, issuer.id, details=details, at=AT, actor=CLERK)
    (comparison,) = issuer_watch.watch(house.sessions, FETCHER, at=AT)
    assert (comparison.compared, comparison.differing, published.asked) == (3, 1, 3)
    ((difference, certificate),) = open_differences(house)
    assert certificate.id == known[3].id
    assert difference.their_moment == BEGIN + timedelta(days=9)


def test_an_address_inside_the_own_network_is_not_asked(house: House, published: Published) -> None:
    ca = Elsewhere(crl_url=f"{published.url}/ca.crl")
    registered(house, ca)
    published.files["/ca.crl"] = ca.crl([(1, AT, KEY_COMPROMISE)])
    (comparison,) = issuer_watch.watch(house.sessions, Fetcher(), at=AT)
    assert comparison.problem == issuer_watch.UNREACHABLE


def test_an_issuer_has_one_name_each_and_a_certificate_of_a_ca(house: House) -> None:
    ca = Elsewhere("VNPT Certification Authority")
    with house.sessions.begin() as session:
        own = IssuerDetails("VNPT-CA", certificate=der(ca.certificate))
        made = known_issuers.create(session, details=own, at=AT, actor=CLERK)
        assert made.slug == "vnpt-ca"
        with pytest.raises(IssuerTaken):
            known_issuers.create(session, details=IssuerDetails("vnpt ca"), at=AT, actor=CLERK)
        with pytest.raises(IssuerTaken):
            known_issuers.create(session, details=IssuerDetails("issuing"), at=AT, actor=CLERK)
        for details in (
            IssuerDetails("Khác", certificate=der(ca.issue(1))),
            IssuerDetails("Khác", certificate=b"rac"),
            IssuerDetails("Khác", crl_urls=("ldap://x/y",)),
            IssuerDetails("Khác", slug="Có dấu"),
            IssuerDetails("\u202e"),
        ):
            with pytest.raises(IssuerInvalid):
                known_issuers.create(session, details=details, at=AT, actor=CLERK)
