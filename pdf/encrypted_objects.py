"""Open the encryption of a document for reading, with the arithmetic of pyHanko.

Loaded by `decryption` for documents that are encrypted, which few are.
"""

from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.crypt import AuthStatus, SecurityHandler, StandardSecurityHandler

from pdf.document import Document
from pdf.errors import EncryptedPdf, PasswordIncorrect
from pdf.syntax import Name, PdfDict, PdfObject, Ref

_MAX_DEPTH = 8


class _Engine:
    """Decrypts strings and streams with an authenticated security handler."""

    def __init__(self, handler: SecurityHandler) -> None:
        self._text = handler.get_string_filter()
        self._stream = handler.get_stream_filter()

    def text(self, number: int, generation: int, data: bytes) -> bytes:
        return _decrypt(self._text, number, generation, data)

    def stream(self, number: int, generation: int, data: bytes) -> bytes:
        return _decrypt(self._stream, number, generation, data)


def _decrypt(
    crypt_filter: Any,  # noqa: ANN401 (pyHanko's filter classes carry no types)
    number: int,
    generation: int,
    data: bytes,
) -> bytes:
    try:
        key = crypt_filter.derive_object_key(number, generation)
        return bytes(crypt_filter.decrypt(key, data))
    except Exception:  # noqa: BLE001 (an undecryptable string is shown as it is stored)
        return data


def unlock(document: Document, password: str | None) -> None:
    """Make strings and streams of the document readable; the empty password is tried first.

    Raises EncryptedPdf when a password is needed (or the scheme is not known), and
    PasswordIncorrect when the given one does not open the file.
    """
    view = document.latest
    dictionary = view.dictionary(view.trailer.get("Encrypt"))
    if dictionary is None:
        raise EncryptedPdf("the encryption dictionary cannot be read")
    identifiers = view.array(view.trailer.get("ID"))
    first = identifiers[0] if identifiers and isinstance(identifiers[0], bytes) else b""
    try:
        handler = SecurityHandler.build(_foreign(document, dictionary))
        opened = isinstance(handler, StandardSecurityHandler) and _opens(handler, first, password)
    except Exception as problem:
        raise EncryptedPdf("the encryption of the document is not supported") from problem
    if not opened:
        if password:
            raise PasswordIncorrect("the password does not open the document")
        raise EncryptedPdf("the document asks for a password")
    document.decrypt_with(_Engine(handler))


def _opens(handler: StandardSecurityHandler, first: bytes, password: str | None) -> bool:
    candidates = ["", password] if password else [""]
    return any(
        handler.authenticate(candidate, id1=first).status is not AuthStatus.FAILED
        for candidate in candidates
    )


def _foreign(  # noqa: PLR0911 (one return a kind of object)
    document: Document, value: PdfObject, depth: int = 0
) -> Any:  # noqa: ANN401 (pyHanko's objects carry no types)
    """Give the value as pyHanko's objects, references resolved."""
    value = document.latest.resolve(value) if isinstance(value, Ref) else value
    if depth > _MAX_DEPTH or value is None:
        return generic.NullObject()
    if isinstance(value, PdfDict):
        return generic.DictionaryObject(  # type: ignore[no-untyped-call]  # as above
            {
                generic.NameObject("/" + key): _foreign(document, item, depth + 1)
                for key, item in value.items()
            }
        )
    if isinstance(value, list):
        return generic.ArrayObject([_foreign(document, item, depth + 1) for item in value])
    if isinstance(value, Name):
        return generic.NameObject("/" + value)
    if isinstance(value, bytes):
        return generic.ByteStringObject(value)
    if isinstance(value, bool):
        return generic.BooleanObject(value)  # type: ignore[no-untyped-call]  # as above
    if isinstance(value, int):
        return generic.NumberObject(value)  # type: ignore[no-untyped-call]  # as above
    return generic.FloatObject(str(value))  # type: ignore[no-untyped-call]  # as above
