"""The index of a large list, kept for every process: it finds what is there, and hides nothing."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

from ca import loaded_crls
from ca.crl_checks import load
from ca.loaded_crls import LARGE_BYTES, KeptCrls, LoadedCrl
from ca.parsed_certificates import UNREADABLE
from ca.revocation_sources import CacheSource
from ca.serial_index import MAX_PLACES, SerialIndexes, index_of
from ca.validation import PathValidator
from tests.ca.hierarchy import NOW, Entity
from tests.ca.house import House
from tests.ca.test_loaded_crls import ENTRIES, large
from tests.ca.test_revocation_sources import published

KEY = b"k" * 32
_FIRST = 1 << 100
ADDRESS = "http://lists.test"


def loaded(data: bytes) -> LoadedCrl:
    found = load(data)
    assert found is not None
    assert found.frame is not None
    return found


@cache
def indexed() -> LoadedCrl:
    found = loaded(large()[3])
    assert found.frame is not None
    return replace(found, index=index_of(found.data, found.frame))


@pytest.fixture
def indexes(tmp_path: Path) -> SerialIndexes:
    return SerialIndexes(tmp_path / "indexes", KEY)


def kept(indexes: SerialIndexes, folder: Path) -> Path:
    """Keep the index of the large list, and give its file."""
    found = indexed()
    assert found.index is not None
    indexes.write(found.data, found.index)
    (file,) = (folder / "indexes").iterdir()
    return file


def revoking(count: int, *more: int) -> tuple[Entity, Entity, bytes]:
    """A root, a signer and a large list that names so many others and these."""
    top, signer = published(ADDRESS)
    others = [
        (n, NOW - timedelta(hours=1), x509.ReasonFlags.superseded)
        for n in (*range(_FIRST, _FIRST + count), *more)
    ]
    return top, signer, top.crl(*others)


def test_the_index_finds_every_entry_and_no_other() -> None:
    found, plain = indexed(), loaded(large()[3])
    for number in (0, 1, ENTRIES // 2, ENTRIES - 1):
        entry, same = found.entry(_FIRST + number), plain.entry(_FIRST + number)
        assert entry is not None
        assert same is not None
        assert entry.serial_number == same.serial_number == _FIRST + number
        assert entry.revocation_date_utc == same.revocation_date_utc
        assert list(entry.extensions) == list(same.extensions)
    for serial in (_FIRST + ENTRIES, ENTRIES // 2, (1 << 140) + _FIRST, 2):
        assert found.entry(serial) is None
        assert plain.entry(serial) is None


def test_entries_of_every_length_are_indexed() -> None:
    """Numbers of one to twenty octets, entries of one date each and of one with extensions."""
    numbers = [1, 0x7F, 0x80, 0xFFFF, 1 << 31, (1 << 32) + 1, 1 << 63, (1 << 159) - 1]
    data = revoking(6200, *numbers)[2]
    assert len(data) > LARGE_BYTES
    found = loaded(data)
    assert found.frame is not None
    by_index = replace(found, index=index_of(data, found.frame), _entries={})
    for serial in (*numbers, _FIRST, _FIRST + 6199):
        for one in (found, by_index):
            entry = one.entry(serial)
            assert entry is not None
            assert entry.serial_number == serial
    assert by_index.entry((1 << 32) + 2) is None


def test_many_numbers_that_look_alike_are_read_from_the_list_itself() -> None:
    alike = [(n << 32) + 5 for n in range(1, MAX_PLACES + 3)]
    data = revoking(6200, *alike)[2]
    found = loaded(data)
    assert found.frame is not None
    index = index_of(data, found.frame)
    assert index.places(5) is None
    by_index = replace(found, index=index, _entries={})
    assert by_index.entry(alike[-1]) is not None
    assert by_index.entry((1 << 120) + 5) is None


def test_a_list_whose_entries_cannot_be_read_is_never_indexed_and_never_kept(house: House) -> None:
    data = bytearray(large()[3])
    place = loaded(bytes(data)).frame.start  # type: ignore[union-attr]  # `loaded` asserts it
    data[place + 2] = 0x04  # a number that is no INTEGER
    found = loaded(bytes(data))
    assert found.frame is not None
    with pytest.raises(UNREADABLE):
        index_of(bytes(data), found.frame)
    cache = CacheSource(house.sessions)
    cache.store(f"crl:{ADDRESS}/broken.crl", bytes(data), at=NOW)
    with house.sessions() as session:
        assert cache._list(session, f"crl:{ADDRESS}/broken.crl") is None


def test_another_process_finds_by_the_index_without_reading_the_list(
    indexes: SerialIndexes, tmp_path: Path
) -> None:
    kept(indexes, tmp_path)
    (tmp_path / "list.crl").write_bytes(large()[3])
    program = (
        "import sys; from pathlib import Path; from ca.loaded_crls import KeptCrls;"
        "from ca.serial_index import SerialIndexes;"
        "home = Path(sys.argv[1]); data = (home / 'list.crl').read_bytes();"
        "found = KeptCrls().load(data, indexes=SerialIndexes(home / 'indexes', b'k' * 32));"
        f"print(found.entry({_FIRST + 99_000}).serial_number - {_FIRST},"
        f" found.entry({_FIRST + ENTRIES}), found._whole)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["99000", "None", "None"]


# --- what is not exactly as it was written is as good as none -----------------------------------


def test_an_index_that_anybody_changed_is_not_used(indexes: SerialIndexes, tmp_path: Path) -> None:
    file = kept(indexes, tmp_path)
    data, content = large()[3], file.read_bytes()
    assert indexes.find(data) is not None
    middle = len(content) // 2
    damaged = [
        b"",
        content[:-1],
        content[:middle],
        content + b"\x00",
        content[:-32],
        content[: middle - middle % 8] + content[middle - middle % 8 + 8 :],  # one entry less
        *(content[:n] + bytes([content[n] ^ 1]) + content[n + 1 :] for n in (0, 30, middle, -2)),
    ]
    for one in damaged:
        file.write_bytes(one)
        assert indexes.find(data) is None
    file.write_bytes(content)
    assert indexes.find(data) is not None


def test_an_index_of_another_list_or_installation_is_not_used(
    indexes: SerialIndexes, tmp_path: Path
) -> None:
    file = kept(indexes, tmp_path)
    other = revoking(6200)[2]
    assert indexes.find(other) is None
    file.rename(file.with_name(file.name.replace(file.stem, _mark(other))))
    assert indexes.find(other) is None
    assert indexes.find(large()[3]) is None
    assert SerialIndexes(tmp_path / "indexes", b"x" * 32).find(large()[3]) is None


def _mark(data: bytes) -> str:
    import hashlib  # noqa: PLC0415 -- one use

    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("damage", ["none", "emptied", "forged", "gone"])
def test_attack_an_emptied_index_does_not_make_a_revoked_certificate_good(
    house: House, tmp_path: Path, damage: str
) -> None:
    top, signer, _ = revoking(0)
    others = [
        (n, NOW - timedelta(hours=1), x509.ReasonFlags.superseded)
        for n in (*range(_FIRST, _FIRST + 6200), signer.cert.serial_number)
    ]
    data = top.crl(*others)
    indexes = SerialIndexes(tmp_path / damage, KEY)
    CacheSource(house.sessions, indexes=indexes).store(f"crl:{ADDRESS}/ca.crl", data, at=NOW)
    (file,) = (tmp_path / damage).iterdir()
    if damage == "gone":
        file.unlink()
    elif damage == "emptied":
        file.write_bytes(file.read_bytes()[:-32][:64])
    elif damage == "forged":
        forged = SerialIndexes(tmp_path / "forged", b"another key, of whoever can write here")
        found = index_of(data, loaded(data).frame)  # type: ignore[arg-type]  # `loaded` asserts it
        forged.write(data, replace(found, rows=found.rows[:1]))
    source = CacheSource(house.sessions, indexes=indexes)
    loaded_crls.KEPT.__init__()  # type: ignore[misc]  # as a process begins
    verdict = PathValidator([top.der], [source]).validate(signer.der, purpose="signing", at=NOW)
    assert verdict.sub_indication == "REVOKED_NO_POE"
    assert verdict.revocation.source == "cache"
    seen = loaded_crls.KEPT.load(data)
    assert seen is not None
    assert (seen.index is not None) is (damage == "none")


# --- the folder -----------------------------------------------------------------------------------


def test_the_folder_stays_within_its_bound_and_the_oldest_go_first(tmp_path: Path) -> None:
    lists = [revoking(6200 + number)[2] for number in range(3)]
    made = [index_of(data, loaded(data).frame) for data in lists]  # type: ignore[arg-type]  # as above
    size = 8 * 6200 + 200
    folder = tmp_path / "indexes"
    indexes = SerialIndexes(folder, KEY, most_bytes=2 * size)
    for age, data, index in zip((300, 200, 100), lists, made, strict=True):
        indexes.write(data, index)
        file = folder / f"{_mark(data)}.serials"
        os.utime(file, (file.stat().st_mtime - age,) * 2)
    assert [indexes.find(data) is not None for data in lists] == [False, True, True]
    SerialIndexes(folder, KEY, most_bytes=100).write(lists[0], made[0])
    assert indexes.find(lists[0]) is None


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(
    indexes: SerialIndexes, tmp_path: Path
) -> None:
    file = kept(indexes, tmp_path)
    old, young = file.with_name(".left"), file.with_name(".writing")
    for one, age in ((old, 4000), (young, 0)):
        one.write_bytes(b"half an index")
        os.utime(one, (file.stat().st_mtime - age,) * 2)
    found = indexed()
    assert found.index is not None
    indexes.write(found.data, found.index)
    assert not old.exists()
    assert young.exists()


def test_a_folder_that_cannot_be_written_to_costs_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "indexes").write_bytes(b"a file where the folder should be")
    indexes, found = SerialIndexes(tmp_path / "indexes", KEY), indexed()
    assert found.index is not None
    indexes.write(found.data, found.index)
    assert indexes.find(found.data) is None
    assert KeptCrls().load(found.data, indexes=indexes) is not None
