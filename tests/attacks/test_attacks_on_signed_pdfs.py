"""Attacks on signed PDF files, built from a freshly signed one: each must be seen.

Classes and names after "1 Trillion Dollar Refund" (2019), "Shadow Attacks" (2021) and "Breaking the
Specification: PDF Certification" (2021), and some that follow from the format itself.
"""

import re
import zlib
from collections.abc import Callable

import pytest

from pdf.change_kinds import ChangeLevel
from pdf.document import Document
from pdf.options import CertificationLevel
from pdf.report import Indication
from tests.pdf.signing_kit import person, sign
from tests.pdf.verifying_kit import append, check, free_number, letter, only, source, stream, whats

EVIL = b"BT /F1 12 Tf 72 700 Td (Nghi quyet: cap 900 trieu dong) Tj ET"
CATALOG, PAGE, CONTENT, FONT = 1, 4, 3, 5


def refused(data: bytes) -> None:
    """The signed bytes may hold, but nobody may call the document valid."""
    report = check(data)
    assert report.indication is Indication.TOTAL_FAILED
    assert not report.accept


def flagged(data: bytes, *wanted: str) -> None:
    """The signature holds for its revision, and the change after it is called forbidden."""
    report = check(data)
    signature = report.signatures[0]
    assert signature.integrity.digest_match
    assert signature.integrity.signature_match
    assert signature.integrity.changes_after is ChangeLevel.OTHER
    assert not signature.integrity.changes_permitted
    assert signature.indication is Indication.TOTAL_FAILED
    assert not report.accept
    assert not wanted or whats(signature) & set(wanted), whats(signature)


def page_with(data: bytes, entries: str) -> bytes:
    return source(data, PAGE)[:-2] + entries.encode() + b">>"


def annots_of(data: bytes) -> str:
    page = Document(data).latest.object(PAGE)
    return "".join(f"{ref.number} 0 R " for ref in Document(data).latest.array(page.get("Annots")))


# Incremental saving ------------------------------------------------------------------------------


def test_incremental_saving_attack_replaces_the_page_content() -> None:
    flagged(append(sign(letter()), {CONTENT: stream(EVIL)}), "object_changed")


def test_incremental_saving_attack_points_the_page_to_new_content() -> None:
    data = sign(letter())
    new = free_number(data)
    page = source(data, PAGE).replace(b"/Contents 3 0 R", f"/Contents {new} 0 R".encode())
    flagged(append(data, {PAGE: page, new: stream(EVIL)}), "page_changed")


def test_incremental_saving_attack_gives_the_document_a_new_catalogue_and_pages() -> None:
    data = sign(letter())
    new = free_number(data)
    objects = {
        new: f"<</Type/Catalog/Pages {new + 1} 0 R>>",
        new + 1: f"<</Type/Pages/Kids[{new + 2} 0 R]/Count 1>>",
        new + 2: f"<</Type/Page/Parent {new + 1} 0 R/MediaBox[0 0 595 842]>>",
    }
    refused(append(data, objects, root=new))


def test_incremental_saving_attack_adds_a_page() -> None:
    data = sign(letter())
    new = free_number(data)
    pages = source(data, 2).replace(b"[4 0 R]/Count 1", f"[4 0 R {new} 0 R]/Count 2".encode())
    flagged(append(data, {2: pages, new: source(data, PAGE)}), "page_added")


@pytest.mark.parametrize(
    "tail",
    [
        b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n",
        b"3 0 obj\n" + stream(EVIL) + b"\nendobj\ntrailer\n<</Root 1 0 R>>\n",
        b"3 0 obj\n" + stream(EVIL) + b"\nendobj\nxref\n0 0\ntrailer\n<</Root 1 0 R>>\n%%EOF\n",
        b"3 0 obj\n" + stream(EVIL) + b"\nendobj\nstartxref\n0\n%%EOF\n",
        b"3 0 obj\n" + stream(EVIL) + b"\nendobj\nxref\ngarbage\nstartxref\n99999999\n%%EOF\n",
    ],
    ids=["no xref", "trailer only", "empty xref", "startxref 0", "broken xref"],
)
def test_incremental_saving_attack_without_usable_cross_references(tail: bytes) -> None:
    refused(sign(letter()) + tail)


def test_incremental_saving_attack_hides_objects_beside_a_proper_revision() -> None:
    data = sign(letter())
    hidden = data + b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n"
    flagged(append(hidden, {free_number(data): "<</Type/Something>>"}), "hidden_content")


def test_incremental_saving_attack_defines_an_object_twice() -> None:
    data = sign(letter())
    body = b"<</Type/Something>>\nendobj\n3 0 obj\n" + stream(EVIL)
    flagged(append(data, {free_number(data): body}), "hidden_content")


def test_incremental_saving_attack_hides_the_change_in_an_object_stream() -> None:
    data = sign(letter())
    new = free_number(data)
    index = f"{PAGE} 0 "
    page = source(data, PAGE).replace(b"/Contents 3 0 R", f"/Contents {new} 0 R".encode())
    packed = zlib.compress(index.encode() + page)
    head = f"/Type/ObjStm/N 1/First {len(index)}/Filter/FlateDecode"
    out = bytearray(data)
    first = len(out)
    out += f"{new} 0 obj\n".encode() + stream(EVIL) + b"\nendobj\n"
    second = len(out)
    out += f"{new + 1} 0 obj\n".encode() + stream(packed, head) + b"\nendobj\n"
    start = len(out)
    rows = (
        bytes((2,)) + (new + 1).to_bytes(4) + b"\x00"
        + bytes((1,)) + first.to_bytes(4) + b"\x00"
        + bytes((1,)) + second.to_bytes(4) + b"\x00"
        + bytes((1,)) + start.to_bytes(4) + b"\x00"
    )  # fmt: skip
    previous = Document(data).latest.sections[0].offset
    entries = (
        f"/Type/XRef/W[1 4 1]/Index[{PAGE} 1 {new} 3]/Size {new + 3}/Root 1 0 R/Prev {previous}"
    )
    out += f"{new + 2} 0 obj\n".encode() + stream(rows, entries) + b"\nendobj\n"
    out += f"startxref\n{start}\n%%EOF\n".encode()
    flagged(bytes(out), "page_changed")


def test_incremental_saving_attack_hides_the_change_in_a_hybrid_section() -> None:
    data = sign(letter())
    out = bytearray(data)
    new = free_number(data)
    evil = len(out)
    out += b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n"
    hidden = len(out)
    rows = bytes((1,)) + evil.to_bytes(4) + b"\x00"
    out += f"{new} 0 obj\n".encode()
    out += stream(rows, f"/Type/XRef/W[1 4 1]/Index[3 1]/Size {new + 1}/Root 1 0 R")
    out += b"\nendobj\n"
    start = len(out)
    previous = Document(data).latest.sections[0].offset
    out += f"xref\n3 1\n0000000000 00001 f \ntrailer\n<</Size {new + 1}/Root 1 0 R".encode()
    out += f"/Prev {previous}/XRefStm {hidden}>>\nstartxref\n{start}\n%%EOF\n".encode()
    flagged(bytes(out), "object_changed")


def test_incremental_saving_attack_skips_the_signed_revision_in_the_chain() -> None:
    data = sign(letter())
    forged = append(data, {CONTENT: stream(EVIL)})
    signed = Document(data).latest.sections
    previous, older = signed[0].offset, signed[1].offset
    refused(forged.replace(f"/Prev {previous}".encode(), f"/Prev {older}".encode()))


def test_incremental_saving_attack_shortens_a_stream_through_its_length_object() -> None:
    content = b"BT /F1 12 Tf 72 700 Td (Khong) Tj ( duoc duyet) Tj ET"
    base = letter(more=[f"{len(content)}"])
    old = source(base, CONTENT)
    new = b"<</Length 6 0 R>>\nstream\n" + content + b"\nendstream"
    data = sign(append(base, {CONTENT: new}))
    assert old
    flagged(append(data, {6: "24"}))


# Wrapping and universal forgery ------------------------------------------------------------------


def test_signature_wrapping_attack_moves_the_second_part_behind_new_content() -> None:
    data = sign(letter())
    found = re.search(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)", data)
    assert found
    first, second, length = map(int, found.groups())
    evil = b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n"
    refused(data[:second] + evil + data[second:])
    moved = f"{second + len(evil)}".encode()
    assert len(moved) == len(f"{second}")
    shifted = data[: found.start(2)] + moved + data[found.end(2) :]
    refused(shifted[:second] + evil + shifted[second:])
    assert first < second < second + length


def test_signature_wrapping_attack_with_a_second_dictionary_for_the_same_object() -> None:
    data = sign(letter())
    found = re.search(rb"/ByteRange\s*\[\s*0 (\d+) (\d+) (\d+)", data)
    assert found
    first, second, length = map(int, found.groups())
    contents = data[first:second]
    number = next(
        n for n, e in Document(data).latest.entries.items()
        if isinstance(v := Document(data).latest.object(n), dict) and "ByteRange" in v and e
    )  # fmt: skip
    body = (
        f"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached"
        f"/ByteRange[0 {first} {second} {length}]/Contents ".encode()
        + contents
        + b">>"
    )
    refused(append(data, {number: body, CONTENT: stream(EVIL)}))


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"/ByteRange", b"/ByteRangX"),
        (rb"/Contents <", b"/Contentz <"),
        (rb"/SubFilter", b"/SubFiltex"),
        (rb"\[0 ", b"[-1 "),
    ],
    ids=["no ByteRange", "no Contents", "no SubFilter", "negative ByteRange"],
)
def test_universal_forgery_by_taking_entries_away(pattern: bytes, replacement: bytes) -> None:
    data = sign(letter())
    start = data.index(b"/ByteRange") - 400
    forged, count = re.subn(pattern, replacement, data[start:], count=1)
    if not count:
        forged, count = re.subn(pattern.replace(b" ", b""), replacement, data[start:], count=1)
    assert count
    refused(data[:start] + forged)


@pytest.mark.parametrize("value", ["null", "<>", "<00>", "<0000000000>", "()", "99 0 R"])
def test_universal_forgery_with_empty_contents(value: str) -> None:
    data = sign(letter())
    found = re.search(rb"/ByteRange\s*\[\s*0 (\d+) (\d+)", data)
    assert found
    first, second = int(found[1]), int(found[2])
    padded = value.encode().ljust(second - first)
    refused(data[:first] + padded + data[second:])


def test_forgery_by_appending_bytes_after_the_end() -> None:
    refused(sign(letter()) + b"\nsome more text")


def test_forgery_by_one_changed_byte() -> None:
    data = sign(letter())
    at = data.index(b"100 trieu")
    signature = only(check(data[:at] + b"9" + data[at + 1 :]))
    assert not signature.integrity.digest_match
    assert signature.sub_indication == "HASH_FAILURE"


def test_forgery_by_removing_the_form_that_leads_to_the_signature() -> None:
    data = sign(letter())
    report = check(append(data, {CATALOG: "<</Type/Catalog/Pages 2 0 R>>"}))
    assert report.indication is Indication.TOTAL_FAILED
    assert [s.sub_indication for s in report.signatures] == ["FORMAT_FAILURE"]


# Shadow attacks ----------------------------------------------------------------------------------

OVERLAY = b"1 1 1 rg 70 690 400 30 re f"


def shadowed() -> bytes:
    """A page whose second content stream (6) paints over the first."""
    return letter(page="", more=[stream(OVERLAY)]).replace(
        b"/Contents 3 0 R", b"/Contents[3 0 R 6 0 R]"
    )


def rebuilt(data: bytes) -> bytes:
    """Write the cross-reference table of a hand-edited file anew."""
    document = Document(data)
    view = document.repaired_view(len(data))
    out = bytearray(data[: data.rindex(b"xref\n0")])
    start = len(out)
    numbers = sorted(view.entries)
    out += f"xref\n0 {numbers[-1] + 1}\n0000000000 65535 f \n".encode()
    for number in numbers:
        out += f"{view.entries[number].first:010d} 00000 n \n".encode()
    out += f"trailer\n<</Size {numbers[-1] + 1}/Root 1 0 R>>\n".encode()
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def test_shadow_attack_hide_frees_the_covering_object() -> None:
    flagged(append(sign(rebuilt(shadowed())), {}, freed=[6]))


def test_shadow_attack_hide_redefines_the_covering_object() -> None:
    flagged(append(sign(rebuilt(shadowed())), {6: stream(b"")}), "object_changed")


def test_shadow_attack_replace_overrides_a_font() -> None:
    font = "<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding<</Differences[49/nine]>>>>"
    flagged(append(sign(letter()), {FONT: font}), "object_changed")


def test_shadow_attack_hide_and_replace_points_to_an_object_inside_the_signed_revision() -> None:
    shadow = b"6 0 obj\n" + stream(b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n") + b"\nendobj\n"
    base = letter()
    cut = base.rindex(b"xref\n0")
    data = sign(rebuilt(base[:cut] + shadow + base[cut:]))
    place = data.index(b"3 0 obj", data.index(b"6 0 obj"))
    flagged(append(data, {}, places={CONTENT: place}), "object_changed")


def test_shadow_attack_fills_a_reference_that_was_prepared_before_signing() -> None:
    base = letter().replace(b"/Contents 3 0 R", b"/Contents[3 0 R 99 0 R]")
    data = sign(rebuilt(base))
    flagged(append(data, {99: stream(OVERLAY)}), "object_activated")


def test_shadow_attack_switches_a_layer_off() -> None:
    layers = "/OCProperties<</OCGs[6 0 R]/D<</ON[6 0 R]>>>>"
    data = sign(letter(catalog=layers, more=["<</Type/OCG/Name(L)>>"]))
    flagged(append(data, {CATALOG: re.sub(rb"/ON\s*\[", b"/OFF[", source(data, CATALOG))}))


def test_attack_adds_a_script_to_the_catalogue() -> None:
    data = sign(letter())
    catalog = source(data, CATALOG)[:-2] + b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>>>"
    flagged(append(data, {CATALOG: catalog}), "catalog_changed")


# Places that mean nothing yet when the document is signed ----------------------------------------


def with_entry(data: bytes, number: int, offset: int, more: str = "") -> bytes:
    """Add one cross-reference entry, prepared before signing."""
    start = len(data)
    previous = Document(data).latest.sections[0].offset
    table = f"xref\n{number} 1\n{offset:010d} 00000 n \ntrailer\n<</Size 60/Root 1 0 R"
    table += f"/Prev {previous}{more}>>\nstartxref\n{start}\n%%EOF\n"
    return data + table.encode()


def drawn_twice() -> bytes:
    return rebuilt(letter().replace(b"/Contents 3 0 R", b"/Contents[3 0 R 50 0 R]"))


def test_attack_prepares_a_place_beyond_the_end_of_the_file() -> None:
    place = 40_000
    data = sign(with_entry(drawn_twice(), 50, place))
    padded = data + b" " * (place - len(data))
    flagged(padded + b"50 0 obj\n" + stream(OVERLAY) + b"\nendobj\n")


def test_attack_prepares_a_place_beyond_the_end_and_lists_it_again_later() -> None:
    place = 40_000
    data = sign(with_entry(drawn_twice(), 50, place))
    padded = data + b" " * (place - len(data)) + b"50 0 obj\n" + stream(OVERLAY) + b"\nendobj\n"
    flagged(append(padded, {}, places={50: place}), "object_activated")


def test_attack_prepares_a_stream_that_is_longer_than_the_file() -> None:
    base = letter()
    length = re.search(rb"/Length (\d+)", base)
    assert length
    long = base.replace(length[0], b"/Length 30000", 1)
    data = sign(rebuilt(long))
    start = data.index(b"stream\n") + 7
    filler = b" " * (start + 30000 - len(data) - 60)
    evil = append(data, {free_number(data): stream(filler + EVIL + b"\nendstream\nendobj")})
    flagged(evil)


def test_attack_changes_the_generation_of_an_object() -> None:
    data = sign(letter())
    offset = Document(data).latest.entries[CONTENT].first
    forged = append(data, {}, places={CONTENT: offset})
    row = forged.rindex(f"{offset:010d} 00000 n ".encode())
    flagged(forged[: row + 15] + b"1" + forged[row + 16 :])


def test_attack_lists_an_object_twice_in_one_table() -> None:
    data = sign(letter())
    view = Document(data).latest
    good, other = view.entries[CONTENT].first, view.entries[FONT].first
    start = len(data)
    previous = view.sections[0].offset
    table = f"xref\n3 1\n{good:010d} 00000 n \n3 1\n{other:010d} 00000 n \ntrailer\n"
    table += f"<</Size 60/Root 1 0 R/Prev {previous}>>\nstartxref\n{start}\n%%EOF\n"
    flagged(data + table.encode(), "structure_broken")


def test_attack_gives_an_entry_of_the_catalogue_twice() -> None:
    data = sign(letter())
    new = free_number(data)
    catalog = source(data, CATALOG)
    catalog = re.sub(rb"/Pages", f"/Pages {new} 0 R/Pages".encode(), catalog, count=1)
    pages = f"<</Type/Pages/Kids[{new + 1} 0 R]/Count 1>>"
    page = f"<</Type/Page/Parent {new} 0 R/MediaBox[0 0 595 842]>>"
    flagged(append(data, {CATALOG: catalog, new: pages, new + 1: page}), "object_changed")


def packed_page() -> tuple[bytes, int]:
    """A signed letter whose page object is in an object stream; and that stream's number."""
    base = letter()
    page = source(base, PAGE)
    container = 20
    index = f"{PAGE} 0 {PAGE} {len(page) + 1} ".encode()
    evil = page.replace(b"/Contents 3 0 R", b"/Contents 21 0 R")
    body = stream(index + page + b" " + evil, f"/Type/ObjStm/N 2/First {len(index)}")
    data = append(base, {container: body, 21: stream(EVIL)})
    start = len(data)
    rows = bytes((2,)) + container.to_bytes(4) + b"\x00" + bytes((1,)) + start.to_bytes(4) + b"\x00"
    entries = (
        f"/Type/XRef/W[1 4 1]/Index[{PAGE} 1 22 1]/Size 60/Root 1 0 R"
        f"/Prev {Document(data).latest.sections[0].offset}"
    )
    tail = b"22 0 obj\n" + stream(rows, entries) + b"\nendobj\n"
    return data + tail + f"startxref\n{start}\n%%EOF\n".encode(), container


def test_attack_redefines_the_object_stream_that_holds_the_page() -> None:
    base, container = packed_page()
    data = page_signed_elsewhere(base)
    index = f"{PAGE} 0 ".encode()
    evil = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 21 0 R>>"
    body = stream(index + evil, f"/Type/ObjStm/N 1/First {len(index)}")
    flagged(append(data, {container: body}), "page_changed")


def test_attack_points_to_another_place_in_the_same_object_stream() -> None:
    base, container = packed_page()
    data = page_signed_elsewhere(base)
    start = len(data)
    rows = bytes((2,)) + container.to_bytes(4) + b"\x01" + bytes((1,)) + start.to_bytes(4) + b"\x00"
    entries = (
        f"/Type/XRef/W[1 4 1]/Index[{PAGE} 1 40 1]/Size 60/Root 1 0 R"
        f"/Prev {Document(data).latest.sections[0].offset}"
    )
    tail = b"40 0 obj\n" + stream(rows, entries) + b"\nendobj\n"
    flagged(data + tail + f"startxref\n{start}\n%%EOF\n".encode(), "page_changed")


def page_signed_elsewhere(data: bytes) -> bytes:
    """Sign through a field that is in the form already, so that the page object stays packed."""
    field = "<</Type/Annot/Subtype/Widget/FT/Sig/T(Here)/Rect[0 0 0 0]/F 132>>"
    form = {CATALOG: "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[30 0 R]>>>>", 30: field}
    return sign(append(data, form), field="Here")


# Form overlays -----------------------------------------------------------------------------------


FORM_XOBJECT = "/Type/XObject/Subtype/Form/BBox[0 0 130 20]/Resources<</Font<</F1 5 0 R>>>>"


def form(*, value: str = "(100)", shown: str = "(100)", button: bool = False) -> bytes:
    """A letter with one text field (6) and its appearance (7)."""
    drawing = f"BT /F1 12 Tf 2 2 Td {shown} Tj ET".encode()
    kind = "/FT/Btn" if button else "/FT/Tx"
    return letter(
        catalog="/AcroForm<</Fields[6 0 R]/DA(/F1 12 Tf 0 g)/DR<</Font<</F1 5 0 R>>>>>>",
        page="/Annots[6 0 R]",
        more=[
            (
                f"<</Type/Annot/Subtype/Widget{kind}/T(amount)/V{value}/Rect[70 500 200 520]"
                "/P 4 0 R/F 4/AP<</N 7 0 R>>>>"
            ),
            stream(drawing, FORM_XOBJECT),
        ],
    )


def drawn(text: str) -> bytes:
    content = f"BT /F1 12 Tf 2 2 Td ({text}) Tj ET".encode()
    return stream(content, FORM_XOBJECT)


def test_form_overlay_swaps_the_appearance_and_keeps_the_value() -> None:
    flagged(append(sign(form()), {7: drawn("900")}), "appearance_swapped")


def test_form_overlay_brings_a_value_to_light_that_was_covered_at_signing() -> None:
    data = sign(form(value="(900)", shown="(100)"))
    flagged(append(data, {7: drawn("900")}), "appearance_swapped")


def test_form_overlay_swaps_an_appearance_that_the_trailer_names_too() -> None:
    data = sign(form())
    field = source(data, 6).replace(b"(100)", b"(900)")
    forged = append(data, {6: field, 7: drawn("900")})
    place = forged.rindex(b"/Prev")
    flagged(forged[:place] + b"/Also 7 0 R" + forged[place:], "object_changed")


def test_form_overlay_shows_another_text_than_the_new_value() -> None:
    data = sign(form())
    field = source(data, 6).replace(b"/V(100)", b"/V(200)")
    flagged(append(data, {6: field, 7: drawn("900")}), "appearance_swapped")


def test_form_overlay_shows_a_part_of_the_value_only() -> None:
    data = sign(form())
    field = source(data, 6).replace(b"/V(100)", b"/V(not approved)")
    flagged(append(data, {6: field, 7: drawn("approved")}), "appearance_swapped")


def test_form_overlay_hides_a_filled_field() -> None:
    data = sign(form())
    flagged(append(data, {6: source(data, 6).replace(b"/F 4", b"/F 6")}), "appearance_swapped")


def test_form_overlay_moves_a_field() -> None:
    data = sign(form())
    field = source(data, 6).replace(b"[70 500", b"[70 690")
    flagged(append(data, {6: field}), "field_changed")


def test_form_overlay_draws_the_hidden_value_by_asking_for_new_appearances() -> None:
    data = sign(form(value="(900)", shown="(100)"))
    catalog = Document(data).latest.catalog
    number = catalog["AcroForm"].number if hasattr(catalog["AcroForm"], "number") else CATALOG
    body = source(data, number).replace(b"/Fields", b"/NeedAppearances true/Fields")
    flagged(append(data, {number: body}), "appearance_swapped")


def test_form_overlay_swaps_an_appearance_that_the_page_draws_too() -> None:
    plain, drawing = b"/F1 5 0 R>>>>/Annots", b"/F1 5 0 R>>/XObject<</X 7 0 R>>>>/Annots"
    base = form().replace(plain, drawing)
    data = sign(rebuilt(base))
    field = source(data, 6).replace(b"/V(100)", b"/V(900)")
    flagged(append(data, {6: field, 7: drawn("900")}), "object_changed")


def test_form_overlay_adds_a_text_field() -> None:
    data = sign(form())
    new = free_number(data)
    body = (
        "<</Type/Annot/Subtype/Widget/FT/Tx/T(x)/V(900)/Rect[70 690 470 720]/P 4 0 R/F 4"
        f"/AP<</N {new + 1} 0 R>>>>"
    )
    number, listed = form_holder(data)
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    objects = {
        new: body,
        new + 1: drawn("900"),
        PAGE: page,
        number: re.sub(rb"/Fields\s*\[", f"/Fields[{new} 0 R ".encode(), listed),
    }
    flagged(append(data, objects), "field_added")


def form_holder(data: bytes) -> tuple[int, bytes]:
    value = Document(data).latest.catalog["AcroForm"]
    number = value.number if hasattr(value, "number") else CATALOG
    return number, source(data, number)


def test_form_overlay_puts_a_widget_on_the_page_that_no_form_lists() -> None:
    data = sign(letter())
    new = free_number(data)
    widget = (
        f"<</Type/Annot/Subtype/Widget/FT/Tx/T(x)/Rect[70 690 470 720]/F 4/AP<</N {new + 1} 0 R>>>>"
    )
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    flagged(append(data, {new: widget, new + 1: drawn("9"), PAGE: page}), "annotation_over_content")


def test_form_overlay_presses_a_button_with_a_new_drawing() -> None:
    data = sign(form(value="/Yes", button=True))
    flagged(append(data, {7: drawn("900")}), "appearance_swapped")


# Certification -----------------------------------------------------------------------------------


def annotation(kind: str, more: str = "") -> Callable[[bytes], bytes]:
    def build(data: bytes) -> bytes:
        new = free_number(data)
        body = f"<</Type/Annot/Subtype/{kind}/Rect[70 690 470 720]/F 4{more}>>"
        body = body.replace("@", f"{new + 1} 0 R")
        page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
        return append(data, {new: body, new + 1: drawn("900"), PAGE: page})

    return build


@pytest.mark.parametrize(
    "attack",
    [
        annotation("FreeText", "/DA(/F1 12 Tf)/Contents(900)/AP<</N @>>"),
        annotation("Stamp", "/AP<</N @>>"),
        annotation("Redact", "/OverlayText(900)/IC[1 1 1]"),
        annotation("Square", "/IC[1 1 1]"),
        annotation("Ink", "/InkList[[70 690 470 720]]/BS<</W 30>>"),
        annotation("Highlight", "/QuadPoints[70 720 470 720 70 690 470 690]/AP<</N @>>"),
        annotation("Text", "/Contents(x)/AP<</N @>>"),
        annotation("FileAttachment"),
        annotation("Screen", "/AP<</N @>>"),
        annotation("Watermark", "/AP<</N @>>"),
    ],
    ids=lambda build: build.__closure__[0].cell_contents,
)
def test_evil_annotation_attack_on_a_document_certified_for_comments(
    attack: Callable[[bytes], bytes],
) -> None:
    data = sign(letter(), certify=CertificationLevel.ANNOTATIONS)
    flagged(attack(data), "annotation_over_content")


def test_evil_annotation_attack_on_a_document_certified_for_form_filling() -> None:
    data = sign(letter(), certify=CertificationLevel.FORM_FILLING)
    report = check(annotation("Highlight", "/QuadPoints[1 2 3 4 5 6 7 8]")(data))
    assert not report.accept
    assert not report.signatures[0].integrity.changes_permitted


def test_form_overlay_hangs_a_widget_under_an_existing_field() -> None:
    data = sign(form())
    new = free_number(data)
    widget = (
        "<</Type/Annot/Subtype/Widget/Parent 6 0 R/Rect[70 690 470 720]/F 4"
        f"/AP<</N {new + 1} 0 R>>>>"
    )
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    flagged(append(data, {new: widget, new + 1: drawn("9"), PAGE: page}), "annotation_over_content")


def test_sneaky_signature_attack_with_an_unsigned_field_that_paints() -> None:
    flagged(visible_signature(sign(letter()), "70 690 470 720"), "signature_field_over_content")


def test_sneaky_signature_attack_hangs_a_widget_under_a_signed_field() -> None:
    data = sign(letter())
    view = Document(data).latest
    number = next(
        n for n in view.entries
        if isinstance(v := view.object(n), dict) and v.get("FT") == "Sig"
    )  # fmt: skip
    new = free_number(data)
    widget = (
        f"<</Type/Annot/Subtype/Widget/Parent {number} 0 R/Rect[70 690 470 720]/F 4"
        f"/AP<</N {new + 1} 0 R>>>>"
    )
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    field = re.sub(rb"/Rect", f"/Kids[{new} 0 R]/Rect".encode(), source(data, number), count=1)
    flagged(append(data, {new: widget, new + 1: drawn("9"), PAGE: page, number: field}))


def visible_signature(data: bytes, box: str) -> bytes:
    new = free_number(data)
    field = (
        f"<</Type/Annot/Subtype/Widget/FT/Sig/T(Sneaky)/Rect[{box}]/P 4 0 R/F 4"
        f"/AP<</N {new + 1} 0 R>>>>"
    )
    number, listed = form_holder(data)
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    fields = re.sub(rb"/Fields\s*\[", f"/Fields[{new} 0 R ".encode(), listed)
    return append(data, {new: field, new + 1: drawn("900"), PAGE: page, number: fields})


def test_sneaky_signature_attack_on_a_certified_document() -> None:
    data = sign(letter(), certify=CertificationLevel.FORM_FILLING)
    flagged(visible_signature(data, "70 690 470 720"), "signature_field_over_content")


def test_sneaky_signature_attack_over_the_whole_page_of_an_approved_document() -> None:
    flagged(visible_signature(sign(letter()), "0 0 595 842"), "signature_field_over_content")


def test_certification_attack_signs_a_document_that_permits_nothing() -> None:
    data = sign(letter(), certify=CertificationLevel.NO_CHANGES)
    forged = visible_signature(data, "0 0 0 0")
    report = check(forged)
    assert not report.accept
    assert report.signatures[0].indication is Indication.TOTAL_FAILED


def test_certification_attack_removes_the_certification_later() -> None:
    data = sign(letter(), certify=CertificationLevel.NO_CHANGES)
    catalog = re.sub(rb"/Perms\s*<<.*?>>", b"", source(data, CATALOG), flags=re.DOTALL)
    if b"/Perms" in catalog:
        catalog = re.sub(rb"/Perms \d+ 0 R", b"", catalog)
    flagged(append(data, {CATALOG: catalog}), "catalog_changed")


def test_attack_reuses_the_object_of_an_old_signature_for_a_new_field() -> None:
    data = sign(letter())
    view = Document(data).latest
    number = next(
        n for n in view.entries
        if isinstance(v := view.object(n), dict) and "ByteRange" in v
    )  # fmt: skip
    new = free_number(data)
    field = f"<</Type/Annot/Subtype/Widget/FT/Sig/T(Again)/Rect[0 0 0 0]/V {number} 0 R/P 4 0 R>>"
    holder, listed = form_holder(data)
    fields = re.sub(rb"/Fields\s*\[", f"/Fields[{new} 0 R ".encode(), listed)
    flagged(append(data, {new: field, holder: fields}), "signature_changed")


def test_attack_swaps_the_appearance_of_a_signature() -> None:
    data = sign(letter())
    view = Document(data).latest
    number = next(
        n for n in view.entries
        if isinstance(v := view.object(n), dict) and v.get("FT") == "Sig"
    )  # fmt: skip
    new = free_number(data)
    body = re.sub(rb"/Rect", f"/AP<</N {new} 0 R>>/Rect".encode(), source(data, number), count=1)
    flagged(append(data, {number: body, new: drawn("Chu tich")}), "signature_changed")


def test_second_signer_with_another_key_does_not_repair_a_forged_document() -> None:
    forged = append(sign(letter()), {CONTENT: stream(EVIL)})
    report = check(sign(forged, who=person("rsa", "Trần Thị Hai")))
    assert report.indication is Indication.TOTAL_FAILED
    assert [s.indication for s in report.signatures] == [
        Indication.TOTAL_FAILED,
        Indication.TOTAL_PASSED,
    ]
