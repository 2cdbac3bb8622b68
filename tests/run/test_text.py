"""Words of users and of data, shown as they are by a parser of Markdown."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from stages.run.text import code, code_block, literal, one_line

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PIECES = [
    "|", "\n", "\r\n", "\x0b", "\x85", "\u2028", "<", ">", "</td>", "<script>alert(1)</script>", "<!--", "-->", "*",
    "**", "_", "__", "`", "```", "~", "~~", "[", "]", "(", ")", "![", "](https://example.org/x.png)", "[^1]", "[ ]",
    "#", "# ", " #", "\\", "&", "&lt;", "&#35;", "\x00", "\x1b[31m", "\u202e", "\u2066", "$", "www.", "https://", "@",
    "- ", "1. ", "+ ", "=", "---", ":-:", "a", "é", "ß", "映", "  ", "\t", "\xa0", ".", "!", '"', "'", "{", "}",
]  # fmt: skip
AWKWARD = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)
PLAIN = [
    "MovieLens latest-small (2018-09)", "dae-200-opq-20x10", "Schindler's List (1993)", "user_17", "$9.99 (2008)",
    "Tom & Jerry; Q&A", "#1 Cheerleader Camp (2010)", "Star Wars: Episode IV - A New Hope (1977)", "映画 — naïve!",
    "(500) Days of Summer (2009)", "Am\u00e9lie", "-", "1. FC Köln", "C#", "100 % > 50 %", "{x}", "a@b",
]  # fmt: skip


def texts(tokens: list[Token]) -> list[str]:
    """The text of each inline token that is nothing but text, with no markup but the expected one around it."""
    inline = [token for token in tokens if token.type == "inline"]
    return ["".join(child.content for child in token.children or []) for token in inline]


def kinds(tokens: list[Token]) -> set[str]:
    return {child.type for token in tokens for child in token.children or []}


def shown(words: str) -> str:
    """What a reader should see, said in another way than the code does."""
    spaced = "".join(" " if character.isspace() else character for character in words)
    obeyed = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"}
    seen = ("�" if unicodedata.category(c) in ("Cc", "Cs") or c in obeyed else c for c in spaced)
    return " ".join("".join(seen).split())


@given(AWKWARD)
def test_one_line_has_no_breaks_and_nothing_that_a_terminal_obeys(words: str) -> None:
    assert one_line(words) == shown(words)
    assert len(one_line(words).splitlines()) <= 1


@given(st.lists(AWKWARD, min_size=2, max_size=4))
def test_a_cell_says_what_it_was_given_and_breaks_no_table(cells: list[str]) -> None:
    line = f"| {' | '.join(map(literal, cells))} |"
    tokens = PARSER.parse(f"| {' | '.join('ab' for _ in cells)} |\n|{'---|' * len(cells)}\n{line}\n| next |\n")
    assert texts(tokens)[len(cells) :][: len(cells)] == [shown(cell) for cell in cells]
    assert texts(tokens)[-len(cells)] == "next"
    assert kinds(tokens) <= {"text"}
    assert {token.type for token in tokens if token.type.endswith("_open")} == {
        "table_open", "thead_open", "tbody_open", "tr_open", "th_open", "td_open",
    }  # fmt: skip


@example("##")
@example("C #")
@given(AWKWARD)
def test_a_heading_says_what_it_was_given(words: str) -> None:
    tokens = PARSER.parse(f"# Of {literal(words)}\n\nMore.\n")
    assert [token.type for token in tokens] == [
        "heading_open", "inline", "heading_close", "paragraph_open", "inline", "paragraph_close",
    ]  # fmt: skip
    assert texts(tokens)[0] == f"Of {shown(words)}".strip()
    assert kinds(tokens) == {"text"}


@example("*")
@example("(\\")
@given(AWKWARD.filter(shown))
def test_bold_words_in_a_quotation_stay_bold(words: str) -> None:
    tokens = PARSER.parse(f"> **{literal(words)}**\n")
    assert [token.type for token in tokens if token.type.endswith("_open")] == ["blockquote_open", "paragraph_open"]
    assert texts(tokens) == [shown(words)]
    children = [child.type for token in tokens for child in token.children or [] if child.content or child.nesting]
    assert children == ["strong_open", "text", "strong_close"]


@given(AWKWARD)
def test_a_name_in_code_font_fills_just_its_cell(words: str) -> None:
    tokens = PARSER.parse(f"| a | b |\n|---|---|\n| {code(words)} | z |\n")
    assert texts(tokens) == ["a", "b", shown(words), "z"]
    assert kinds(tokens) <= {"text", "code_inline"}


@given(st.lists(AWKWARD, max_size=5).map("\n".join))
def test_a_block_of_code_ends_where_it_ends(words: str) -> None:
    tokens = PARSER.parse(f"{code_block(words, 'yaml')}\n\nMore.\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@pytest.mark.parametrize("words", PLAIN)
def test_ordinary_words_stay_as_they_are(words: str) -> None:
    assert one_line(words) == literal(words) == words
    assert code(words) == f"`{words}`"


def test_what_acts_has_a_backslash_and_no_more() -> None:
    assert literal("M*A*S*H | <b> [REC] ~ C:\\x &amp; _a_") == r"M\*A\*S\*H \| \<b> \[REC] \~ C:\\x \&amp; \_a\_"


def test_nothing_becomes_a_link_or_mathematics_on_github() -> None:
    assert literal("https://a.org www.a.org $1 or $2") == r"https:\//a.org www\.a.org \$1 or \$2"
