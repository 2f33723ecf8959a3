"""The frame of a report: one page that holds its style and its script and loads nothing.

Pure. It says so to the browser too, by a content security policy: whatever a text in the page
may hold, nothing is fetched, and no script runs but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from app.lab.charts import DARK, LIGHT, Palette, style

# One answer at a time, so that two can be compared by starting one and then the other.
_SCRIPT = (
    "addEventListener('play',e=>{for(const a of document.querySelectorAll('audio'))"
    "if(a!==e.target)a.pause()},true)"
)
_STYLE = """
body{margin:0 auto;max-width:64rem;padding:24px 16px 48px;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.75rem;margin:0 0 8px}h2{font-size:1.25rem;margin:40px 0 8px}
p,dl,figure{margin:0 0 16px}.faint{color:var(--faint)}small{font-size:.875rem;color:var(--faint)}
.cards{display:grid;gap:16px;grid-template-columns:repeat(auto-fit,minmax(13rem,1fr))}
.answers{grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr));margin-top:16px}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px;margin:0}
.card h3{margin:0;font-size:1rem}.big{font-size:1.75rem;font-weight:600;line-height:1.2}
.notice{border:2px solid var(--ink);border-radius:8px;padding:8px 16px}
svg{display:block;width:100%;height:auto;min-width:36rem;max-width:50rem}
audio{width:100%;margin:8px 0}
.range{stroke-width:1.5}.value{paint-order:stroke;stroke:var(--page);stroke-width:5px}.said{white-space:pre-wrap;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--faint);padding:4px 0}
th,td{padding:6px 10px;text-align:right;border-bottom:1px solid var(--line);vertical-align:top}
td{white-space:nowrap}td:last-child{white-space:normal}
th:first-child{text-align:left}thead th{color:var(--faint);font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px}dt{color:var(--faint)}
dd{margin:0;overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--rate);outline-offset:2px}
@media print{html{font-size:12px}body{max-width:none;padding:0;font-size:1rem}audio{display:none}
.cards{grid-template-columns:repeat(4,1fr)}.answers{grid-template-columns:1fr 1fr}
.card,svg,table{break-inside:avoid}h2{break-after:avoid}.wide{overflow:visible}svg{min-width:0}}
"""


def page(title: str, body: str) -> str:
    """A whole document; ``body`` is markup, and ``title`` is text."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="color-scheme" content="light dark">
<title>{safe(title)}</title>
<style>{_variables()}{_STYLE}</style>
</head>
<body>
{body}
<script>{_SCRIPT}</script>
</body>
</html>
"""


def safe(text: str) -> str:
    """Text as text, with a sign in the place of what a page may not hold."""
    printable = "".join(
        letter if letter in "\n\t" or (letter >= " " and letter != "\x7f") else "\ufffd"
        for letter in text
    )
    return escape(printable.encode("utf-8", "replace").decode("utf-8"))


def _policy() -> str:
    """What the browser may load: nothing but what stands in the file."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; media-src data:; "
        f"script-src 'sha256-{digest}'"
    )


def _variables() -> str:
    """The colours: light on paper and by default, dark where the reader's screen asks for it."""

    def names(palette: Palette) -> str:
        colours = ("page", "card", "ink", "faint", "line", "rate")
        return "".join(f"--{name}:{getattr(palette, name)};" for name in colours)

    dark = f":root{{{names(DARK)}}}{style(DARK)}"
    return (
        f":root{{color-scheme:light dark;{names(LIGHT)}}}{style(LIGHT)}"
        f"@media screen and (prefers-color-scheme:dark){{{dark}}}"
    )
