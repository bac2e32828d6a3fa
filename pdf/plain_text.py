"""Text of strangers as it may stand among ours: nothing in it that steers how the rest is shown.

A certificate, a field or a reason may hold characters that turn the direction of a line round, or
that nobody sees: a name then reads as another one, in a report, a table or a terminal.
"""

import re

_STEERING = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)
_INSTEAD = "\ufffd"


def plain(text: str) -> str:
    """Put a visible sign for each character that steers or hides; letters of any script stay."""
    return _STEERING.sub(_INSTEAD, text)
