"""Changes after signing that a picture of the page may not show at all, or not to everybody.

What is read aloud, searched or copied; what a reader does by itself; files that hang on a document;
what a form shows once it is drawn anew.
"""

import json
import re

import pytest

from pdf.appearance import Stamp
from pdf.document import Document
from pdf.options import CertificationLevel
from pdf.prepare import SignatureAlgorithm
from pdf.report import Indication
from tests.attacks.test_attacks_on_signed_pdfs import (
    CATALOG,
    OVERLAY,
    PAGE,
    annotation,
    flagged,
    form,
    page_with,
    rebuilt,
)
from tests.pdf.signing_kit import person, sign
from tests.pdf.verifying_kit import append, check, free_number, letter, only, source, stream, whats

PAGES = 2


def catalogue_with(data: bytes, entries: str) -> bytes:
    return source(data, CATALOG)[:-2] + entries.encode() + b">>"


@pytest.mark.parametrize(
    "entry",
    [
        "/Names<</EmbeddedFiles<</Names[(a)@]>>>>",
        "/AF[@]",
        "/Collection<</View/T>>",
        "/PageLabels<</Nums[0<</S/r>>]>>",
        "/PageMode/UseAttachments",
        "/PageLayout/TwoPageLeft",
        "/ViewerPreferences<</ViewArea/ArtBox>>",
        "/Lang(en)",
        "/OutputIntents[<</S/GTS_PDFA1>>]",
        "/Outlines<</First @/Last @/Count 1>>",
        "/Dests<</a[4 0 R/Fit]>>",
        "/URI<</Base(http://elsewhere.test/)>>",
        "/AA<</WP<</S/JavaScript/JS(x)>>>>",
        "/Requirements[<</S/EnableJavaScripts>>]",
        "/OCProperties<</OCGs[@]/D<</OFF[@]>>>>",
        "/StructTreeRoot<</Type/StructTreeRoot>>",
        "/NeedsRendering true",
        "/Threads[@]",
        "/Legal<</JavaScriptActions 0>>",
        "/DPartRoot<<>>",
        "/Invented 1",
    ],
)
def test_attack_the_catalogue_gets_an_entry_that_steers_readers(entry: str) -> None:
    data = sign(letter())
    new = free_number(data)
    catalog = catalogue_with(data, entry.replace("@", f"{new} 0 R"))
    flagged(append(data, {CATALOG: catalog, new: "<<>>"}), "catalog_changed")


@pytest.mark.parametrize(
    "entry",
    [
        "/Rotate 180",
        "/CropBox[0 0 595 600]",
        "/UserUnit 4",
        "/Group<</S/Transparency/I true>>",
        "/AA<</O<</S/JavaScript/JS(x)>>>>",
        "/AF[]",
        "/Trans<</S/Dissolve>>",
        "/Dur 1",
        "/Thumb 3 0 R",
        "/VP[]",
        "/B[]",
        "/StructParents 7",
    ],
)
def test_attack_a_page_gets_an_entry(entry: str) -> None:
    data = sign(letter())
    flagged(append(data, {PAGE: page_with(data, entry)}), "page_changed")


@pytest.mark.parametrize("entry", ["/Rotate 180", "/CropBox[0 0 9 9]", "/Resources<<>>"])
def test_attack_a_page_inherits_an_entry(entry: str) -> None:
    data = sign(letter())
    pages = source(data, PAGES)[:-2] + entry.encode() + b">>"
    flagged(append(data, {PAGES: pages}), "page_changed")


@pytest.mark.parametrize("entry", ["/DSS<</Certs[50 0 R]>>", "/Metadata 50 0 R"])
def test_attack_evidence_fills_a_reference_that_was_prepared_before_signing(entry: str) -> None:
    data = sign(rebuilt(letter().replace(b"/Contents 3 0 R", b"/Contents[3 0 R 50 0 R]")))
    objects = {CATALOG: catalogue_with(data, entry), 50: stream(OVERLAY)}
    flagged(append(data, objects), "object_activated")


# Attached files (PDF/A-3) -------------------------------------------------------------------------


def with_attachment() -> bytes:
    """A signed letter with a file: 6 what it is called, 7 what is in it."""
    called = "<</Type/Filespec/F(data.xml)/UF(data.xml)/AFRelationship/Data/EF<</F 7 0 R>>>>"
    catalog = "/Names<</EmbeddedFiles<</Names[(data)6 0 R]>>>>/AF[6 0 R]"
    inside = stream(b"<amount>100</amount>", "/Type/EmbeddedFile/Subtype/text#2Fxml")
    return sign(letter(catalog=catalog, more=[called, inside]))


def test_attack_an_attached_file_is_replaced() -> None:
    data = with_attachment()
    evil = stream(b"<amount>900</amount>", "/Type/EmbeddedFile/Subtype/text#2Fxml")
    flagged(append(data, {7: evil}), "object_changed")


def test_attack_the_name_of_an_attached_file_leads_to_another() -> None:
    data = with_attachment()
    called = source(data, 6).replace(b"7 0 R", b"40 0 R")
    evil = stream(b"<amount>900</amount>", "/Type/EmbeddedFile")
    flagged(append(data, {6: called, 40: evil}), "object_changed")


# Tags ---------------------------------------------------------------------------------------------

ROOT, ELEMENT, PARENTS = 6, 7, 8
SAYS_OTHER = "<</Type/StructElem/S/P/P 6 0 R/Pg 4 0 R/K 0/ActualText(900)>>"


def tagged() -> bytes:
    """A signed letter whose text is element 7 of the structure tree."""
    data = letter(
        catalog="/MarkInfo<</Marked true>>/StructTreeRoot 6 0 R",
        page="/StructParents 0",
        more=[
            "<</Type/StructTreeRoot/K[7 0 R]/ParentTree 8 0 R/ParentTreeNextKey 1>>",
            "<</Type/StructElem/S/P/P 6 0 R/Pg 4 0 R/K 0>>",
            "<</Nums[0[7 0 R]]>>",
        ],
    )
    return sign(data)


def tree(kids: str, parents: str = "8 0 R") -> str:
    return f"<</Type/StructTreeRoot/K[{kids}]/ParentTree {parents}/ParentTreeNextKey 2>>"


@pytest.mark.parametrize(
    "objects",
    [
        {ELEMENT: SAYS_OTHER},
        {ROOT: tree("7 0 R 40 0 R"), 40: SAYS_OTHER},
        {ROOT: tree("40 0 R"), 40: SAYS_OTHER},
        {ROOT: tree("")},
        {ROOT: tree("7 0 R 40 0 R"), 40: "<</S/P/P 6 0 R/K[7 0 R]/ActualText(900)>>"},
        {ROOT: tree("7 0 R 40 0 R"), 40: "<</S/P/P 6 0 R/K<</Type/MCR/Pg 4 0 R/MCID 0>>>>"},
        {PARENTS: "<</Nums[0[40 0 R]]>>", 40: SAYS_OTHER},
        {PARENTS: "<</Nums[0[40 0 R]1 7 0 R]>>", 40: SAYS_OTHER},
        {ROOT: tree("7 0 R", "41 0 R"), 41: "<</Nums[0[40 0 R]]>>", 40: SAYS_OTHER},
        {ROOT: tree("7 0 R", "41 0 R"), 41: "<</Nums[]>>"},
        {ROOT: tree("7 0 R", "8 0 R/RoleMap<</P/Artifact>>")},
    ],
)
def test_attack_signed_text_is_read_aloud_as_something_else(objects: dict[int, str]) -> None:
    flagged(append(tagged(), objects))


def test_tags_for_a_new_annotation_are_a_permitted_change() -> None:
    data = tagged()
    noted = annotation("Text", "/Contents(x)/StructParent 1")(data)
    new = free_number(data)
    element = f"<</Type/StructElem/S/Annot/P 6 0 R/Pg 4 0 R/K<</Type/OBJR/Obj {new} 0 R>>>>"
    objects = {
        ROOT: tree("7 0 R 60 0 R"),
        PARENTS: "<</Nums[0[7 0 R]1 60 0 R]>>",
        60: element,
    }
    signature = only(check(append(noted, objects)))
    assert signature.indication is Indication.TOTAL_PASSED
    assert "tags_changed" in whats(signature)


KIDS = "50 0 R " * 2000


def test_tags_that_nobody_can_walk_through_are_given_up() -> None:
    """There are 1000 to the power of 4 ways down."""
    many = {
        number: "[" + f"<</S/P/P 6 0 R/K {number + 1} 0 R>>" * 1000 + "]"
        for number in range(50, 54)
    }
    maze = {ROOT: tree("7 0 R 40 0 R"), 40: "<</S/P/P 6 0 R/K 50 0 R>>", 54: "[]", **many}
    flagged(append(tagged(), maze), "unknown")


def test_a_tree_that_leads_to_itself_is_walked_once() -> None:
    turning = {
        ROOT: tree("7 0 R", "50 0 R"),
        50: "<</Kids 51 0 R/Nums[0[7 0 R]]>>",
        51: f"[{KIDS}]",
    }
    signature = only(check(append(tagged(), turning)))
    assert whats(signature) == {"tags_changed"}
    assert signature.indication is Indication.TOTAL_PASSED


# Comments and fields ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        "/A<</S/URI/URI(http://elsewhere.test/)>>",
        "/A<</S/JavaScript/JS(x)>>",
        "/AA<</E<</S/Launch/F(x)>>>>",
        "/OC 5 0 R",
        "/AF[5 0 R]",
    ],
)
@pytest.mark.parametrize("kind", ["Text", "Highlight"])
def test_evil_annotation_attack_with_a_comment_that_acts(kind: str, more: str) -> None:
    data = sign(letter(), certify=CertificationLevel.ANNOTATIONS)
    quad = "/QuadPoints[70 720 470 720 70 690 470 690]"
    flagged(annotation(kind, quad + more)(data), "annotation_over_content")


def test_evil_annotation_attack_with_a_black_highlight_over_black_text() -> None:
    data = sign(letter(), certify=CertificationLevel.ANNOTATIONS)
    quad = "/QuadPoints[70 720 470 720 70 690 470 690]"
    flagged(annotation("Highlight", f"{quad}/C[0 0 0]")(data), "content_hidden")
    yellow = only(check(annotation("Highlight", f"{quad}/C[1 1 0]")(data)))
    assert yellow.indication is Indication.TOTAL_PASSED


@pytest.mark.parametrize(("turn", "permitted"), [("1 0 0", True), ("1 .2 0", False)])
def test_a_highlight_whose_drawing_is_only_moved_is_a_comment(turn: str, permitted: bool) -> None:  # noqa: FBT001 -- a table
    data = sign(letter(), certify=CertificationLevel.ANNOTATIONS)
    new = free_number(data)
    body = (
        "<</Type/Annot/Subtype/Highlight/Rect[70 690 470 720]/F 4/C[1 1 0]"
        f"/QuadPoints[70 720 470 720 70 690 470 690]/AP<</N {new + 1} 0 R>>>>"
    )
    drawing = stream(
        b"/R0 gs 1 1 0 rg 70 690 m 470 690 l 470 720 l 70 720 l f",
        f"/Type/XObject/Subtype/Form/BBox[70 690 470 720]/Matrix[{turn} 1 -70 -690]"
        "/Group<</S/Transparency>>/Resources<</ExtGState<</R0<</BM/Multiply>>>>>>",
    )
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    signature = only(check(append(data, {new: body, new + 1: drawing, PAGE: page})))
    assert (signature.indication is Indication.TOTAL_PASSED) is permitted


@pytest.mark.parametrize("change", [(b"0 g", b"1 g"), (b"12 Tf", b"1 Tf")])
def test_form_overlay_draws_values_in_white_or_too_small_to_see(
    change: tuple[bytes, bytes],
) -> None:
    data = sign(form())
    catalog = source(data, CATALOG)
    assert change[0] in catalog
    flagged(append(data, {CATALOG: catalog.replace(*change)}), "form_changed")


BOX = "/Type/XObject/Subtype/Form/BBox[0 0 420 35]/Resources<</Font<</F1 5 0 R>>>>"
COVER = b"1 1 1 rg 0 0 420 35 re f 0 g BT /F1 12 Tf 12 10 Td (Nghi quyet: cap 900 trieu dong) Tj ET"


def box_over_the_amount() -> bytes:
    """A signed letter with a box over its text that shows nothing as long as it is not ticked."""
    widget = (
        "<</Type/Annot/Subtype/Widget/FT/Btn/T(box)/V/Off/AS/Off/Rect[60 690 480 725]/P 4 0 R/F 4"
        "/AP<</N<</On 7 0 R/Off 8 0 R>>>>>>"
    )
    return sign(
        letter(
            catalog="/AcroForm<</Fields[6 0 R]>>",
            page="/Annots[6 0 R]",
            more=[widget, stream(COVER, BOX), stream(b"", BOX)],
        )
    )


def test_shadow_attack_ticks_a_box_that_covers_the_amount() -> None:
    """Filling in is permitted, and the signature holds; but nobody accepts this unseen."""
    data = box_over_the_amount()
    ticked = source(data, 6).replace(b"/V/Off/AS/Off", b"/V/On/AS/On")
    report = check(append(data, {6: ticked}))
    assert "content_covered" in whats(only(report))
    assert report.reasons == ("CONTENT_COVERED",)
    assert not report.accept
    assert "FILLED_FIELD_COVERS_CONTENT" in {one.code for one in only(report).messages}


# Comments over what an earlier signer's stamp shows ----------------------------------------------

STAMP = (70.0, 500.0, 270.0, 560.0)


def stamped(**options: object) -> bytes:
    lines = Stamp(lines=("NGUYỄN VĂN TRĂM", "Chủ tịch"))
    return sign(letter(), page=1, box=STAMP, stamp=lines, **options)


@pytest.mark.parametrize(
    "comment",
    [
        "/Subtype/Text/Rect[80 505 127 552]/AP<</N @>>",
        "/Subtype/Text/Rect[80 505 100 525]",
        "/Subtype/Text/Rect[80 505 80.5 505.5]",
        "/Subtype/Text/Rect[80 505 80.5 505.5]/AP<<>>",
        (
            "/Subtype/Highlight/Rect[70 500 270 560]/C[0 0 0]"
            "/QuadPoints[70 560 270 560 70 500 270 500]"
        ),
        "/Subtype/Highlight/Rect[300 10 310 20]/C[0 0 0]/QuadPoints[70 560 270 560 70 500 270 500]",
    ],
)
def test_evil_annotation_attack_with_a_comment_over_a_stamp(comment: str) -> None:
    """The program that draws pages for us draws fields above comments; other readers do not."""
    data = stamped()
    new = free_number(data)
    body = f"<</Type/Annot{comment}/F 4/Contents(x)>>".replace("@", f"{new + 1} 0 R")
    cover = stream(b"1 1 1 rg 0 0 47 47 re f", "/Type/XObject/Subtype/Form/BBox[0 0 47 47]")
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    assert page != source(data, PAGE)
    flagged(append(data, {PAGE: page, new: body, new + 1: cover}), "annotation_over_content")


@pytest.mark.parametrize("corner", ["320 525", "318 525", "310 515", "300 505"])
def test_a_comment_beside_a_stamp_is_a_permitted_change(corner: str) -> None:
    """Readers draw the sign of a note in their own size, however small its rectangle is."""
    data = stamped()
    new = free_number(data)
    body = f"<</Type/Annot/Subtype/Text/Rect[300 505 {corner}]/F 4/Contents(x)>>"
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{new} 0 R ".encode(), source(data, PAGE))
    signature = only(check(append(data, {PAGE: page, new: body})))
    assert signature.indication is Indication.TOTAL_PASSED
    assert "annotation_added" in whats(signature)


def test_more_comments_among_fields_than_anybody_compares_are_given_up() -> None:
    box = "/Type/Annot/Subtype/Widget/FT/Tx/T(f)/Rect[1 1 9 9]/P 4 0 R/AP<<>>"
    many = 2300
    data = sign(
        letter(
            catalog="/AcroForm<</Fields[6 0 R]>>",
            page=f"/Annots[{'6 0 R ' * many}]",
            more=[f"<<{box}>>"],
        )
    )
    new = free_number(data)
    notes = range(new, new + many)
    listed = "".join(f"{number} 0 R " for number in notes)
    page = re.sub(rb"/Annots\s*\[", f"/Annots[{listed}".encode(), source(data, PAGE))
    body = "<</Type/Annot/Subtype/Text/Rect[300 300 320 320]/Contents(x)>>"
    flagged(append(data, {PAGE: page} | dict.fromkeys(notes, body)), "unknown")


# Trailers -----------------------------------------------------------------------------------------


def with_trailer(data: bytes, entries: str) -> bytes:
    """Append a section that changes nothing but the trailer."""
    start, previous = len(data), Document(data).latest.sections[0].offset
    trailer = f"xref\n0 0\ntrailer\n<<{entries}/Prev {previous}>>\nstartxref\n{start}\n%%EOF\n"
    return data + trailer.encode()


@pytest.mark.parametrize(
    "entries",
    [
        "/Size 50/Root 1 1 R",
        "/Size 50/Root 4 0 R",
        "/Size 50/Root<</Type/Catalog/Pages 2 0 R>>",
        "/Size 50",
        "/Size 3/Root 1 0 R",
        "/Size 0/Root 1 0 R",
        "/Size(50)/Root 1 0 R",
        "/Root 1 0 R",
        "/Size 50/Root 1 0 R/Encrypt<</Filter/Standard/V 1/R 2/O(o)/U(u)/P -1>>",
    ],
)
def test_attack_the_trailer_leads_some_readers_to_another_document(entries: str) -> None:
    report = check(with_trailer(sign(letter()), entries))
    assert not report.accept
    assert report.signatures[0].indication is Indication.TOTAL_FAILED


def test_a_trailer_that_says_the_same_again_is_a_permitted_change() -> None:
    assert check(with_trailer(sign(letter()), "/Size 50/Root 1 0 R/ID[<00><11>]")).accept


# Names --------------------------------------------------------------------------------------------

STEERING = "\u202e\u2066\u200b\u2028\x07\x1b\x00\ufeff"


def test_attack_a_name_that_steers_how_the_report_is_shown() -> None:
    """A line turned round, an escape of the terminal, a letter that nobody sees."""
    who = person("ecdsa", f"Nguyễn Văn Trăm{STEERING}nóK")
    field = f"Ký{STEERING}".replace("\0", "")  # with one no field is made
    data = sign(letter(), who=who, algorithm=SignatureAlgorithm.ECDSA_SHA256, field=field)
    signature = only(check(data))
    told = json.dumps(signature.to_dict(), ensure_ascii=False)
    assert not set(STEERING) & set(told)
    assert "\\u00" not in told
    assert signature.signer is not None
    assert signature.signer.common_name == f"Nguyễn Văn Trăm{chr(0xFFFD) * len(STEERING)}nóK"
    assert signature.indication is Indication.TOTAL_PASSED
