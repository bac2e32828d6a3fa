"""Finding words in text that was extracted from a page, however its letters are encoded.

The same name is composed in one file and decomposed in another, in capitals under a signature, and
broken by spaces that a layout program drew. Both sides are reduced to base letters and accents in
canonical order, without case, spaces and invisible characters; positions lead back to the source.
"""

import unicodedata

_INVISIBLE = frozenset({"Cf", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"})


def folded(text: str) -> tuple[str, list[int]]:
    """Reduce a text; beside it stands for each letter the index it came from."""
    letters: list[tuple[str, int]] = []
    for index, character in enumerate(text):
        letters.extend(
            (part, index)
            for part in unicodedata.normalize("NFD", character.casefold())
            if unicodedata.category(part) not in _INVISIBLE
        )
    _order_accents(letters)
    return "".join(letter for letter, _ in letters), [index for _, index in letters]


def _order_accents(letters: list[tuple[str, int]]) -> None:
    """Put runs of combining marks into canonical order (Unicode 3.11), positions with them."""
    start = 0
    while start < len(letters):
        if not unicodedata.combining(letters[start][0]):
            start += 1
            continue
        end = start
        while end < len(letters) and unicodedata.combining(letters[end][0]):
            end += 1
        letters[start:end] = sorted(letters[start:end], key=lambda m: unicodedata.combining(m[0]))
        start = end


def occurrences(text: str, wanted: str) -> list[tuple[int, int]]:
    """Find whole words in a text; give for each place its first and its last index."""
    needle, _ = folded(wanted)
    hay, positions = folded(text)
    found: list[tuple[int, int]] = []
    at = hay.find(needle) if needle else -1
    while at >= 0:
        end = at + len(needle)
        first, last = min(positions[at:end]), max(positions[at:end])
        cut = end < len(hay) and unicodedata.combining(hay[end])
        if not cut and _ends_a_word(text, first - 1) and _ends_a_word(text, last + 1):
            found.append((first, last))
        at = hay.find(needle, at + 1)
    return found


def _ends_a_word(text: str, index: int) -> bool:
    """Say whether no word goes on at this index."""
    return not 0 <= index < len(text) or not text[index].isalnum()
