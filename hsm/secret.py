"""A value that must not be seen: PINs, passphrases, tokens of access.

It does not protect memory against a debugger; it keeps the value out of logs, tracebacks, reprs,
pickles and database rows, where secrets really leak.
"""

import hmac
from typing import Final, NoReturn

_HIDDEN: Final = "Secret(hidden)"


class Secret:
    """Hold *value* so that only an explicit ``reveal`` gives it back.

    Text is kept as its UTF-8 bytes, which is what PKCS#11 and PKCS#12 callers hand on. Two secrets
    compare in constant time; a secret is not hashable, cannot be pickled, and formats as a marker.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Give the value as bytes. Call it as late and as locally as possible."""
        return self._value

    def reveal_text(self) -> str:
        """Give the value as text; bytes that are not UTF-8 raise a ValueError without the value."""
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            raise ValueError("the secret is not UTF-8 text") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash of a short PIN would be an oracle for it

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return _HIDDEN

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, format_spec: str) -> str:
        return _HIDDEN

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised")
