"""One self-contained HTML page per evaluation: headings, sentences, tables and plots, nothing loaded from anywhere.

    report = Report("Retrieval on herbolaria")
    report.heading("nDCG@10"); report.chart(altair_chart); report.table(["question", "nDCG"], rows)
    report.write(Path("report.html"))

Plots are Altair charts drawn to SVG by vl-convert, so the page needs no script and no network.
"""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retrieval.errors import UsageError
from retrieval.files import write_atomically

_PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
body {{ font: 16px/1.55 system-ui, sans-serif; color: #1d2620; background: #fcfdfb; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.6rem }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #d8e2d8; padding-bottom: .2rem }}
table {{ border-collapse: collapse; font-size: .88rem; margin: 1rem 0; display: block; overflow-x: auto }}
th, td {{ text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #e3eae3; vertical-align: top; overflow-wrap: break-word }}
th {{ background: #eef4ee; white-space: nowrap }} td.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
figure {{ margin: 1rem 0; overflow-x: auto }} figcaption {{ font-size: .85rem; color: #56635a }}
pre {{ background: #f3f6f3; padding: .8rem; overflow-x: auto; white-space: pre-wrap; font-size: .85rem }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


class Report:
    """Collects blocks in reading order. All text is escaped: questions and model output are hostile."""

    def __init__(self, title: str, language: str = "en") -> None:
        self._title = title
        self._language = language
        self._blocks: list[str] = []

    def heading(self, text: str) -> None:
        self._blocks.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        self._blocks.append(f"<p>{html.escape(text)}</p>")

    def verbatim(self, text: str) -> None:
        """Text that keeps its line breaks."""
        self._blocks.append(f"<pre>{html.escape(text)}</pre>")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Numbers stand on the right, rounded to four places."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
        body = "\n".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
        self._blocks.append(f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>")

    def chart(self, chart: Any, caption: str = "") -> None:
        """An Altair chart as inline SVG."""
        note = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        self._blocks.append(f"<figure>{_svg(chart)}{note}</figure>")

    def as_html(self) -> str:
        return _PAGE.format(
            title=html.escape(self._title), language=html.escape(self._language), body="\n".join(self._blocks)
        )

    def write(self, path: Path) -> None:
        write_atomically(path, self.as_html().encode("utf-8", "replace"))


def write_chart(chart: Any, path: Path) -> None:
    """An Altair chart as `.svg` or `.png`. Raises `UsageError` for another suffix."""
    match path.suffix.lower():
        case ".svg":
            write_atomically(path, _svg(chart).encode())
        case ".png":
            import vl_convert

            write_atomically(path, bytes(vl_convert.vegalite_to_png(chart.to_json(), scale=2)))
        case other:
            raise UsageError(
                f"A plot cannot be written as {other or path.name!r}.", "Name a file ending in .svg or .png."
            )


def _svg(chart: Any) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(chart.to_json()))


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return f"<td>{'' if value is None else 'yes' if value else 'no'}</td>"
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="number">{value:.4f}</td>'
    return f"<td>{html.escape(str(value))}</td>"
