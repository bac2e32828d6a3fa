"""What holds for the files of the repository themselves."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Written in pieces, so that this file passes its own test.
REGISTRY_HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("crates", "io"),
    ("yarnpkg", "com"),
    ("unpkg", "com"),
    ("jsdelivr", "net"),
    ("cdnjs", "cloudflare"),
)
MACHINE_PATHS = ("root", "work", "home")

MADE_BY_RUNNING = {"var/", "out/"}

NAMES_A_REGISTRY = re.compile("|".join(r"\.".join(pieces) for pieces in REGISTRY_HOSTS))
NAMES_A_MACHINE_PATH = re.compile(rf"(?<![\w.\-:/}}])/(?:{'|'.join(MACHINE_PATHS)})/")


def text_files() -> dict[str, str]:
    """Read every file of the repository that is text, by its name; also those not yet committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git working tree: the list of the repository's files is not at hand")
    texts = {}
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            texts[name] = content.decode("utf-8", "replace")
    return texts


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in text_files().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(NAMES_A_REGISTRY) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert lines_with(NAMES_A_MACHINE_PATH) == []


def test_the_search_finds_what_it_looks_for() -> None:
    host = ".".join(REGISTRY_HOSTS[0])
    path = "/".join(("", MACHINE_PATHS[0], "x"))

    assert NAMES_A_REGISTRY.search(f"index-url = https://{host}/simple")
    assert NAMES_A_MACHINE_PATH.search(f'open("{path}")')
    assert not NAMES_A_MACHINE_PATH.search("https://example.vn/home/page and ./work/x")


def pins(name: str) -> dict[str, str]:
    """Read a lock file: package -> version, every one with at least one hash."""
    found = {}
    for block in re.split(
        r"\n(?=[a-z])", (ROOT / "requirements" / name).read_text(encoding="utf-8")
    ):
        pinned = re.match(r"([a-z0-9][\w.\-]*)==(\S+)", block)
        assert pinned, f"{name}: not a pinned package: {block[:80]}"
        assert "--hash=sha256:" in block, f"{name}: {pinned[1]} has no hash"
        found[pinned[1]] = pinned[2]
    return found


def test_the_test_set_contains_the_run_set() -> None:
    # The set-up relies on it: a tree made ready for tests is not stripped to be run.
    assert pins("run.lock").items() <= pins("test.lock").items()


def test_the_installer_is_locked_by_hash_too() -> None:
    assert set(pins("installer.lock")) == {"uv"}


def test_readme_and_its_vietnamese_twin_show_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        return re.findall(
            r"^```sh\n(.*?)^```",
            (ROOT / name).read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )

    assert commands("README.md") == commands("README.vi.md") != []


PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.name != "CHANGELOG.md"  # history names what is gone
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+(?:[\w.]+\.(?:py|lock))?)[^`]*`", text)
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)

    missing = [name for name in named if not (ROOT / name).exists() and name not in MADE_BY_RUNNING]
    missing += [name for name in linked if not (page.parent / name).exists()]

    assert missing == []


def test_every_setting_is_on_the_settings_page() -> None:
    names = set(
        re.findall(
            r"\bANTIN_[A-Z0-9_]+", (ROOT / "api" / "settings.py").read_text(encoding="utf-8")
        )
    )

    page = (ROOT / "docs" / "operations" / "settings.md").read_text(encoding="utf-8")

    assert names - set(re.findall(r"`(ANTIN_[A-Z0-9_]+)`", page)) - {"ANTIN_"} == set()


def test_every_decision_is_in_the_list_of_decisions() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")
    )

    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
