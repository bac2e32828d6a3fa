"""A report or notice as one HTML page without scripts and without anything from elsewhere."""

import base64
from html import escape

from pdf.report_pictures import Picture
from pdf.report_rows import Row, Section, Sheet, Tone

_STYLE = """
body{font:16px/1.5 "Times New Roman",Tinos,serif;max-width:52rem;margin:2rem auto;padding:0 1rem;
color:var(--ink);background:var(--paper)}
:root{color-scheme:light;--ink:#1a1a1a;--paper:#fff;--label:#444;--line:#ccc;--rule:#8a1c1c;
--good:#0b6130;--bad:#a01212;--open:#7a4b00}
h1{font-size:1.5rem;text-align:center}h2{font-size:1.2rem;border-bottom:2px solid var(--rule);
margin-top:2rem}h3{font-size:1rem;margin-bottom:.3rem}
.banner{border:2px solid;border-radius:.4rem;padding:.8rem 1rem;font-weight:bold;font-size:1.15rem}
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid var(--line);
padding:.25rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{font-weight:normal;color:var(--label);width:32%}ul,ol{margin:.5rem 0;padding-left:1.5rem}
li{margin:.25rem 0;overflow-wrap:anywhere}
figure{margin:.5rem 0 1rem}img{max-width:100%;height:auto;border:1px solid var(--line)}
figcaption{color:var(--label);font-size:.9rem}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--open)}
.signer{margin:2rem 0 6rem 50%;
text-align:center}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--ink:#e8e8e8;--paper:#15181b;
--label:#b9bdc2;--line:#42474d;--rule:#d98080;--good:#74d39a;--bad:#ff9a94;--open:#ffc870}}
@media (max-width:30rem){body{margin:1rem auto;padding:0 .6rem}th{width:38%}.signer{margin-left:0}
figure{overflow-x:auto}figure img{max-width:none;width:44rem}}
@media print{body{margin:0;max-width:none}figure{overflow:visible}figure img{width:100%}
.banner{break-inside:avoid}tr,figure{break-inside:avoid}
h2,h3{break-after:avoid}}
"""


def html(sheet: Sheet) -> bytes:
    """Write the page, UTF-8."""
    banner = (
        f'<p class="banner {sheet.tone}" role="status">{escape(sheet.banner)}</p>'
        if sheet.banner
        else ""
    )
    body = "".join(
        [
            f"<h1>{escape(sheet.title)}</h1>",
            banner,
            *(f"<p>{escape(text)}</p>" for text in sheet.intro),
            *map(_section, sheet.sections),
            *(f"<p>{escape(text)}</p>" for text in sheet.closing),
            _signed_by(sheet),
        ]
    )
    title = escape(f"{sheet.title} - {sheet.name}" if sheet.name else sheet.title)
    return (
        f'<!DOCTYPE html>\n<html lang="{sheet.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; img-src data:\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>{body}</main></body>"
        "</html>\n"
    ).encode()


def _signed_by(sheet: Sheet) -> str:
    lines = "<br>".join(map(escape, sheet.signed_by))
    return f'<p class="signer">{lines}</p>' if lines else ""


def _section(section: Section) -> str:
    level = 3 if section.minor else 2
    heading = escape(section.heading)
    rows = "".join(map(_row, section.rows))
    table = f'<table aria-label="{heading}">{rows}</table>' if rows else ""
    shown = "".join(map(_figure, section.pictures))
    return f"<h{level}>{heading}</h{level}>{_list(section)}{table}{shown}"


def _list(section: Section) -> str:
    kind = "ol" if section.numbered else "ul"
    items = "".join(f"<li><bdi>{escape(text)}</bdi></li>" for text in section.items)
    return f"<{kind}>{items}</{kind}>" if items else ""


def _figure(picture: Picture) -> str:
    """Show a picture from within the page; its words stand for it where it cannot be seen."""
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure tabindex="0" aria-label="{escape(picture.caption)}">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(picture.alternative)}">'
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
    )


def _row(row: Row) -> str:
    texts = "<br>".join(f"<bdi>{escape(text)}</bdi>" for text in row.texts)
    tone = "" if row.tone is Tone.PLAIN else f' class="{row.tone}"'
    return f'<tr><th scope="row">{escape(row.label)}</th><td{tone}>{texts}</td></tr>'
