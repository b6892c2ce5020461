"""Posts.xml: a question with its accepted answer, else its best; streamed, and hostile XML refused."""

from pathlib import Path

import pytest

from retrieval.errors import DataError
from training.data_preparation.html_text import html_to_text
from training.data_preparation.import_dataset import import_rows
from training.data_preparation.stack_exchange import read_posts

POSTS = """<?xml version="1.0" encoding="utf-8"?>
<posts>
  <row Id="1" PostTypeId="1" AcceptedAnswerId="3" Score="5" Title="What is a p-value?" Body="&lt;p&gt;Please.&lt;/p&gt;" Tags="&lt;p-value&gt;" />
  <row Id="2" PostTypeId="2" ParentId="1" Score="90" Body="&lt;p&gt;Popular.&lt;/p&gt;" />
  <row Id="3" PostTypeId="2" ParentId="1" Score="4" Body="&lt;p&gt;Accepted.&lt;/p&gt;" />
  <row Id="5" PostTypeId="2" ParentId="4" Score="1" Body="First." />
  <row Id="6" PostTypeId="2" ParentId="4" Score="8" Body="Best." />
  <row Id="4" PostTypeId="1" Score="3" Title="Why bootstrap?" Body="b" Tags="|bootstrap|variance|" />
  <row Id="7" PostTypeId="1" Score="9" Title="Nobody knows?" Body="b" Tags="|bootstrap|" />
  <row Id="8" PostTypeId="1" Score="9" Title="Closed?" Body="b" ClosedDate="2020-01-01" />
  <row Id="9" PostTypeId="4" Score="9" Body="A tag's wiki." />
</posts>
"""


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "Posts.xml"
    path.write_text(POSTS, encoding="utf-8")
    return path


def test_the_accepted_answer_comes_first_and_the_best_one_else(posts: Path) -> None:
    imported = import_rows(read_posts(posts), "cv")
    assert [(e.question, e.answer) for e in imported.examples] == [
        ("What is a p-value?\n\nPlease.", "Accepted."),
        ("Why bootstrap?\n\nb", "Best."),
    ]
    assert imported.examples[0].type == "p-value"
    assert [(row.line, row.reason) for row in imported.rejected] == [(7, "no answer with that score")]


def test_score_and_tags_choose_questions(posts: Path) -> None:
    assert [row.value["question"][:3] for row in read_posts(posts, frozenset({"variance"}))] == ["Why"]
    assert [row.value.get("answer") for row in read_posts(posts, min_score=5)] == ["Popular.", None]


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE p [<!ENTITY a "x">]><posts><row Id="1" Body="&a;"/></posts>',
        '<!DOCTYPE p SYSTEM "file:///etc/passwd"><posts/>',
        "<posts><row",
        "no xml",
        '<posts><row Body="' + "x" * 5_000_000,
    ],
)
def test_hostile_or_broken_xml_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Posts.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        list(read_posts(path))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (
            "<p>Use <code>t.test</code> &amp; <a href='http://x'>this</a>.</p>\n<p>Then</p>",
            "Use `t.test` & this.\n\nThen",
        ),
        ("<ol><li>a</li><li><p>b</p></li></ol><p>c</p>", "1. a\n2. b\n\nc"),
        ("<p>x:</p><pre><code>a  <- 1\nb</code></pre><p>y</p>", "x:\n\n```\na  <- 1\nb\n```\n\ny"),
        ("<blockquote><p>said</p></blockquote><p>ok</p>", "> said\n\nok"),
        ("<script>alert(1)</script><p>x<sup>2</sup><br>y</p>", "x^2\ny"),
        ("<b>never closed <i>", "never closed"),
    ],
)
def test_html_becomes_plain_text(html: str, text: str) -> None:
    assert html_to_text(html) == text
