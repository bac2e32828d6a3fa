"""SIM signatures over ETSI TS 102 204, the SOAP interface of mobile signature services.

Two ways of waiting (clause 6.3): with ``asynchClientServer`` the operator answers at once and is
asked again for the state; with ``synch`` the one exchange lasts until the person has answered, so
`ask` only chooses the transaction and `answer` makes the exchange. The standard has no message for
taking a question back.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hsm.digest_info import digest_info
from hsm.ets102204_messages import Caller, Message, Messages, Reply, SignatureWish
from hsm.ets102204_profile import DataForm, Messaging, Profile, Standing, TransactionForm
from hsm.later import shown_text
from hsm.provider_http import ProviderHttp, SecretReader
from hsm.refusals import ProviderUnreachable, Refusal, SignatureRefused, refused
from hsm.sim import Answer, Handle, Question, SimAddress
from hsm.soap import CONTENT_TYPES, Element, SoapFault, SoapInvalid, body_of, envelope

_WAITING_MARGIN: Final = 5.0
"""Seconds beyond the person's time before a synchronous exchange is given up."""
_OK: Final = 200
_SERVER_ERRORS: Final = 500
_UNAUTHORISED: Final = frozenset({401, 403})
_FAULT_CLASSES: Final = frozenset({"Sender", "Receiver", "Client", "Server"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ets102204Settings:
    """Addresses and identity of one contract with an operator; *ap_password* is a reference."""

    signature_url: str
    status_url: str
    registration_url: str
    ap_id: str
    ap_password: str
    mssp_id: str
    profile: Profile
    seconds: int


class Ets102204:
    """One operator's service. Threads may share it."""

    def __init__(
        self,
        settings: Ets102204Settings,
        http: ProviderHttp,
        *,
        secrets_of: SecretReader,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._profile = settings.profile
        self._messages = Messages(settings.profile)
        self._http = http
        self._secrets_of = secrets_of
        self._clock = clock

    @property
    def seconds(self) -> int:
        """How long a person has."""
        return self._settings.seconds

    @property
    def blocks(self) -> bool:
        """Whether the exchange lasts as long as the person does."""
        return self._profile.messaging is Messaging.SYNCH

    @property
    def together(self) -> int:
        """How many documents one PIN covers."""
        return self._profile.together

    def ask(self, question: Question) -> Handle:
        """Send MSS_SignatureReq, or only choose the transaction of a synchronous one."""
        transaction = question.shared or self._new_transaction()
        handle = {"ap": transaction, "shared": transaction}
        if self.blocks:
            return handle
        reply = self._ask(question, transaction, wait=0)
        standing = self._profile.standing(reply.status)
        if standing not in {Standing.ACCEPTED, Standing.PENDING}:
            raise self._refused(standing, reply)
        if not reply.mssp_transaction:
            raise refused(Refusal.PROVIDER_ERROR, "the operator named no transaction")
        return handle | {"mssp": reply.mssp_transaction}

    def answer(self, handle: Handle, question: Question) -> Answer | None:
        """Send MSS_StatusReq, or make the synchronous exchange."""
        if self.blocks:
            reply = self._ask(question, handle["ap"], wait=self.seconds + _WAITING_MARGIN)
        else:
            caller = self._caller(self._new_transaction())
            request = self._messages.status_request(caller, handle["mssp"])
            reply = self._exchange(self._settings.status_url, request, Message.STATUS, 0)
        standing = self._profile.standing(reply.status)
        if standing in {Standing.PENDING, Standing.ACCEPTED} and not self.blocks:
            return None
        if standing is not Standing.SIGNED:
            raise self._refused(standing, reply)
        if reply.signature is None:
            raise refused(Refusal.PROVIDER_ERROR, "the operator says signed and sends nothing")
        return Answer(reply.signature, reply.certificate)

    def cancel(self, handle: Handle) -> bool:  # noqa: ARG002 -- the shape of every adapter
        """Do nothing: there is no such message, and the question ends with its time."""
        return False

    def certificate(self, address: SimAddress) -> bytes:
        """Send MSS_RegistrationReq and take the certificate out of the answer."""
        caller = self._caller(self._new_transaction())
        request = self._messages.registration_request(caller, address.msisdn)
        url = self._settings.registration_url
        reply = self._exchange(url, request, Message.REGISTRATION, 0)
        standing = self._profile.standing(reply.status)
        if standing not in {Standing.REGISTERED, Standing.ACCEPTED}:
            raise self._refused(standing, reply)
        if reply.certificate is None:
            raise refused(Refusal.NO_KEY, "the operator has no certificate for this phone")
        return reply.certificate

    def _ask(self, question: Question, transaction: str, *, wait: float) -> Reply:
        profile = self._profile
        as_info = profile.data is DataForm.DIGEST_INFO
        hash_name = question.algorithm.hash_name or ""
        wish = SignatureWish(
            msisdn=question.address.msisdn,
            data=digest_info(hash_name, question.digest) if as_info else question.digest,
            text=shown_text(question.prompt.text, max_bytes=profile.display_bytes),
            code=question.prompt.code or "",
            seconds=self.seconds,
            key_reference=question.address.reference,
        )
        request = self._messages.signature_request(self._caller(transaction), wish)
        reply = self._exchange(self._settings.signature_url, request, Message.SIGNATURE, wait)
        if reply.ap_transaction != transaction:
            raise refused(Refusal.PROVIDER_ERROR, "the operator answered another transaction")
        return reply

    def _exchange(self, url: str, payload: Element, message: Message, wait: float) -> Reply:
        profile = self._profile
        content = envelope(payload, version=profile.soap)
        headers = {"Content-Type": f"{CONTENT_TYPES[profile.soap]}; charset=utf-8"}
        if profile.soap == "1.1":
            headers["SOAPAction"] = '""'
        answer = self._http.post(url, content, headers=headers, wait=wait)
        if answer.status in _UNAUTHORISED:
            raise refused(Refusal.UNAUTHORISED, f"the operator answered {answer.status}")
        try:
            return self._messages.read(body_of(answer.body), message)
        except SoapFault as fault:
            raise self._of_fault(fault) from fault
        except SoapInvalid as error:
            if answer.status >= _SERVER_ERRORS:
                what = f"the operator answered {answer.status}"
                raise ProviderUnreachable(what, delivered=True) from error
            what = f"the operator's answer cannot be read: {error}"
            raise refused(Refusal.PROVIDER_ERROR, what) from error

    def _of_fault(self, fault: SoapFault) -> SignatureRefused:
        codes = [code for code in fault.codes if code not in _FAULT_CLASSES]
        standing = self._profile.standing(codes[-1]) if codes else Refusal.PROVIDER_ERROR
        reason = standing if isinstance(standing, Refusal) else Refusal.PROVIDER_ERROR
        told = self._without_password(f"{'/'.join(fault.codes)}: {fault.reason}")
        return refused(reason, f"the operator's fault {told}")

    def _refused(self, standing: Standing | Refusal, reply: Reply) -> SignatureRefused:
        reason = standing if isinstance(standing, Refusal) else Refusal.PROVIDER_ERROR
        told = self._without_password(f"{reply.status[:10]}: {reply.message}")
        return refused(reason, f"the operator's status {told}")

    def _without_password(self, told: str) -> str:
        """Drop a text in which the operator quotes our password: it is going to be logged."""
        password = self._secrets_of(self._settings.ap_password).reveal_text()
        return "(not repeated: it quotes a secret)" if password in told else told

    def _caller(self, transaction: str) -> Caller:
        settings = self._settings
        return Caller(
            ap_id=settings.ap_id,
            password=self._secrets_of(settings.ap_password),
            mssp_id=settings.mssp_id,
            transaction=transaction,
            instant=self._clock(),
        )

    def _new_transaction(self) -> str:
        if self._profile.transaction is TransactionForm.HEX10:
            # an XML name does not begin with a digit, so neither does ours
            return secrets.choice("abcdef") + secrets.token_hex(5)[:9]
        return "A" + secrets.token_hex(16)
