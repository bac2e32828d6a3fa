"""Where a PIN or passphrase comes from: the sources that a URI's ``pin-source`` may name.

``file:`` is built in. Others (an environment variable, a vault) are functions given by the wiring,
looked up by the scheme of the source, since rooms read no environment.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from hsm.errors import PinRequired
from hsm.key_uri import KeyURI
from hsm.secret import Secret

MAX_PIN_FILE: Final = 4096
"""A larger file was named by mistake; PINs have at most 255 bytes, passphrases a few hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PinSources:
    """How a key store finds PINs.

    *prompt* asks a person and is used last; *named* maps the scheme of a ``pin-source`` to a
    function that takes the text after the colon (``env:NAME`` calls ``named["env"]("NAME")``).
    """

    prompt: Callable[[KeyURI], Secret | None] | None = None
    named: Mapping[str, Callable[[str], Secret]] = field(default_factory=dict)

    def from_source(self, uri: KeyURI) -> Secret | None:
        """Read the PIN that *uri* points to, or None when it names no source."""
        return None if uri.pin_source is None else self.read(uri.pin_source)

    def read(self, source: str) -> Secret:
        """Read a secret from a source such as ``file:/…``; raises PinRequired."""
        scheme, _, rest = source.partition(":")
        if scheme.lower() == "file":
            return _pin_file(source)
        reader = self.named.get(scheme.lower())
        if reader is None:
            raise PinRequired(f"no reader for a pin-source of kind {scheme}:")
        return reader(rest)

    def ask(self, uri: KeyURI) -> Secret:
        """Ask a person; raises PinRequired when nobody is there or nothing was entered."""
        answer = self.prompt(uri) if self.prompt is not None else None
        if not answer:
            raise PinRequired("the key needs a PIN and none was given")
        return answer


def _pin_file(source: str) -> Secret:
    parts = urlsplit(source)
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise PinRequired("pin-source=file: must name a file of this machine")
    path = Path(unquote(parts.path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PIN_FILE + 1)
    except (OSError, ValueError) as error:
        raise PinRequired(f"the PIN file {path} cannot be read") from error
    if len(content) > MAX_PIN_FILE:
        raise PinRequired(f"the PIN file {path} is longer than {MAX_PIN_FILE} bytes")
    # An editor ends the file with a line break; nothing else is trimmed, a PIN may hold spaces.
    pin = content.removesuffix(b"\n").removesuffix(b"\r")
    if not pin:
        raise PinRequired(f"the PIN file {path} is empty")
    return Secret(pin)
