"""The pages of the simulated phones: what a SIM's menu would show, for a person with a browser.

Plain forms without scripts; Vietnamese first, English by `?lang=en`. A POST from another site is
refused, since a page anywhere could otherwise enter a PIN.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from api.simulator.operator import Outcome, Unknown
from hsm.algorithms import KeyAlgorithm

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from api.simulator.operator import Operator, Transaction
    from api.simulator.phones import Phone

_PAGES: Final = files("api").joinpath("pages")
_MSISDN: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_FORBIDDEN: Final = 403
_WORDS: Final = {
    "vi": {
        "title": "Điện thoại", "list": "Các điện thoại mô phỏng", "add": "Thêm điện thoại",
        "number": "Số điện thoại", "key": "Loại khóa", "none": "Không có yêu cầu ký nào.",
        "asks": "Yêu cầu ký số", "code": "Mã xác nhận", "pin": "Mã PIN ký số", "sign": "Ký",
        "refuse": "Từ chối", "again": "Tải lại", "tries": "Số lần nhập PIN còn lại",
        "wrong": "Mã PIN không đúng.", "signed": "Đã ký.", "refused": "Đã từ chối.",
        "blocked": "Mã PIN đã bị khóa.", "over": "Yêu cầu đã kết thúc.", "swap": "Thay SIM",
        "request": "Yêu cầu cấp chứng thư số (CSR)", "other": "English", "back": "Danh sách",
        "compare": "Chỉ nhập PIN khi mã này trùng với mã trên màn hình nơi bạn yêu cầu ký.",
        "certificate": "Chứng thư số", "no": "chưa có", "yes": "đã có",
    },
    "en": {
        "title": "Phone", "list": "Simulated phones", "add": "Add a phone",
        "number": "Phone number", "key": "Kind of key", "none": "Nothing is to be signed.",
        "asks": "Request for a signature", "code": "Verification code", "pin": "Signing PIN",
        "sign": "Sign", "refuse": "Refuse", "again": "Reload", "tries": "PIN tries left",
        "wrong": "The PIN is wrong.", "signed": "Signed.", "refused": "Refused.",
        "blocked": "The PIN is blocked.", "over": "The request is over.", "swap": "Swap the SIM",
        "request": "Certification request (CSR)", "other": "Tiếng Việt", "back": "List",
        "compare": "Enter the PIN only if this code is the one on the screen where you asked.",
        "certificate": "Certificate", "no": "none yet", "yes": "present",
    },
}  # fmt: skip
_TOLD: Final = {
    Outcome.SIGNED: "signed",
    Outcome.WRONG_SIGNATURE: "signed",
    Outcome.CANCELLED: "refused",
    Outcome.PIN_BLOCKED: "blocked",
}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages over one operator."""

    operator: Operator

    def routes(self) -> list[Route]:
        """Return their addresses."""
        return [
            Route("/", self.index, methods=["GET"]),
            Route("/phones", self.add, methods=["POST"]),
            Route("/phone/{msisdn}", self.phone, methods=["GET"]),
            Route("/phone/{msisdn}/answer", self.answer, methods=["POST"]),
            Route("/phone/{msisdn}/swap", self.swap, methods=["POST"]),
            Route("/phone/{msisdn}/request.pem", self.request_pem, methods=["GET"]),
            Route("/phone/{msisdn}/certificate", self.put_certificate, methods=["PUT"]),
            Route("/static/antin.css", _style, methods=["GET"]),
        ]

    async def index(self, request: Request) -> Response:
        """List the phones, and add one."""
        words, lang = _language(request)
        rows = "".join(
            f'<li><a href="/phone/{quote(one.msisdn)}?lang={lang}">{html.escape(one.msisdn)}</a>'
            f" · {html.escape(one.algorithm)} · {words['certificate']}:"
            f" {words['yes'] if one.certificate else words['no']}</li>"
            for one in self.operator.phones()
        )
        kinds = "".join(
            f"<option>{kind.value}</option>"
            for kind in (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256, KeyAlgorithm.P_384)
        )
        body = (
            f"<ul>{rows}</ul><h2>{words['add']}</h2>"
            f'<form method="post" action="/phones?lang={lang}">'
            f'<p><label for="n">{words["number"]}</label> <input id="n" name="msisdn" required'
            ' pattern="\\+[1-9][0-9]{6,14}" placeholder="+84912345678" inputmode="tel"></p>'
            f'<p><label for="k">{words["key"]}</label> <select id="k" name="key">{kinds}</select>'
            f"</p><p><button>{words['add']}</button></p></form>"
        )
        return _page(words, lang, title=words["list"], body=body, path="/")

    async def add(self, request: Request) -> Response:
        """Add a phone with a new SIM."""
        if _from_elsewhere(request):
            return Response(status_code=_FORBIDDEN)
        form = await request.form()
        msisdn = _field(form, "msisdn")
        kinds = {kind.value: kind for kind in KeyAlgorithm if kind is not KeyAlgorithm.ED25519}
        kind = kinds.get(_field(form, "key"))
        if not _MSISDN.fullmatch(msisdn) or kind is None or kind is KeyAlgorithm.RSA_4096:
            return Response(status_code=400)
        self.operator.add_phone(msisdn, algorithm=kind)
        return _to_phone(request, msisdn)

    async def phone(self, request: Request) -> Response:
        """Show what one phone is asked."""
        words, lang = _language(request)
        try:
            found = self.operator.phone(request.path_params["msisdn"])
        except Unknown:
            return Response(status_code=404)
        asked = self.operator.waiting(found.msisdn)
        told = request.query_params.get("told", "")
        notice = f'<p role="status">{words[told]}</p>' if told in _WORDS["en"] else ""
        path = f"/phone/{quote(found.msisdn)}"
        questions = "".join(_question(one, path, words, lang) for one in asked)
        body = notice + (questions or f"<p>{words['none']}</p>") + _sim(found, path, words, lang)
        title = f"{words['title']} {found.msisdn}"
        return _page(words, lang, title=title, body=body, path=path)

    async def answer(self, request: Request) -> Response:
        """Take the PIN, or the refusal."""
        if _from_elsewhere(request):
            return Response(status_code=_FORBIDDEN)
        form = await request.form()
        msisdn, transaction = request.path_params["msisdn"], _field(form, "transaction")
        try:
            if self.operator.state(transaction).asked.msisdn != msisdn:
                return Response(status_code=404)
            if "refuse" in form:
                ended = self.operator.refuse(transaction)
            else:
                ended = self.operator.enter_pin(transaction, _field(form, "pin"))
        except Unknown:
            return Response(status_code=404)
        told = "wrong" if ended.outcome is None else _TOLD.get(ended.outcome, "over")
        return _to_phone(request, msisdn, told)

    async def swap(self, request: Request) -> Response:
        """Put another SIM into the phone."""
        if _from_elsewhere(request):
            return Response(status_code=_FORBIDDEN)
        msisdn = request.path_params["msisdn"]
        try:
            self.operator.swap_sim(msisdn)
        except Unknown:
            return Response(status_code=404)
        return _to_phone(request, msisdn)

    async def request_pem(self, request: Request) -> Response:
        """Give the certification request of the SIM's key."""
        try:
            der = self.operator.phone(request.path_params["msisdn"]).request()
        except Unknown:
            return Response(status_code=404)
        pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
        return Response(pem, media_type="application/x-pem-file")

    async def put_certificate(self, request: Request) -> Response:
        """Take the certificate that was issued for it, as PEM or DER."""
        content = await request.body()
        try:
            pem = content.lstrip().startswith(b"-----")
            read = x509.load_pem_x509_certificate if pem else x509.load_der_x509_certificate
            der = read(content).public_bytes(Encoding.DER)
            self.operator.put_certificate(request.path_params["msisdn"], der)
        except ValueError:
            return Response(status_code=400)
        except Unknown:
            return Response(status_code=404)
        return Response(status_code=204)


def _question(one: Transaction, path: str, words: dict[str, str], lang: str) -> str:
    text = html.escape(one.asked.text).replace("\n", "<br>")
    code = one.asked.code
    shown = f"<p>{words['code']}: <strong>{code}</strong></p>" if code else ""
    field = f"pin-{one.id}"
    return (
        f'<section aria-label="{words["asks"]}"><h2>{words["asks"]}</h2>'
        f'<p class="asked">{text}</p>{shown}<p>{words["compare"]}</p>'
        f'<form method="post" action="{path}/answer?lang={lang}" autocomplete="off">'
        f'<input type="hidden" name="transaction" value="{one.id}">'
        f'<p><label for="{field}">{words["pin"]}</label> <input id="{field}" name="pin"'
        ' type="password" inputmode="numeric" autocomplete="off" maxlength="12"></p>'
        f'<p><button name="sign" value="1">{words["sign"]}</button>'
        f' <button name="refuse" value="1">{words["refuse"]}</button></p></form></section>'
    )


def _sim(phone: Phone, path: str, words: dict[str, str], lang: str) -> str:
    present = words["yes"] if phone.certificate else words["no"]
    return (
        f"<section><h2>SIM</h2><ul><li>ICCID <code>{phone.iccid}</code></li>"
        f"<li>{words['tries']}: {phone.tries_left}</li>"
        f"<li>{words['certificate']}: {present}</li>"
        f'<li><a href="{path}/request.pem">{words["request"]}</a></li></ul>'
        f'<form method="post" action="{path}/swap?lang={lang}"><p><button>{words["swap"]}'
        f'</button></p></form></section><p><a href="{path}?lang={lang}">{words["again"]}</a>'
        f' · <a href="/?lang={lang}">{words["back"]}</a></p>'
    )


def _page(words: dict[str, str], lang: str, *, title: str, body: str, path: str) -> HTMLResponse:
    other = "en" if lang == "vi" else "vi"
    template = Template(_PAGES.joinpath("phone.html").read_text(encoding="utf-8"))
    text = template.substitute(
        lang=lang, title=html.escape(title), body=body, path=path, other=other, word=words["other"]
    )
    return HTMLResponse(text)


def _language(request: Request) -> tuple[dict[str, str], str]:
    lang = "en" if request.query_params.get("lang") == "en" else "vi"
    return _WORDS[lang], lang


def _from_elsewhere(request: Request) -> bool:
    """Say whether a form comes from another site: by what browsers add and pages cannot forge."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _to_phone(request: Request, msisdn: str, told: str = "") -> RedirectResponse:
    lang = _language(request)[1]
    return RedirectResponse(f"/phone/{quote(msisdn)}?lang={lang}&told={told}", status_code=303)


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _style(request: Request) -> Response:  # noqa: ARG001 -- the framework's signature
    text = _PAGES.joinpath("antin.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
