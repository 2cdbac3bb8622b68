"""Words of users and of their data, made fit for a line of a terminal, of a picture and of Markdown."""

import re

OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, what turns letters around (bidi), and halves of characters, which can't be written."""
MARKUP = re.compile(
    r"""
    [\\`*\[<|~]             # wherever they stand
  | (?<!\w)_++ | _++(?!\w)  # but not within a word
  | &(?=\#?\w+;)            # &amp;
  | (?<!\S)\#(?=\#*$)       # would end a heading
  | (?<=:)(?=//)            # https://, which GitHub makes a link
  | (?<=www)(?=\.)
    """,
    re.VERBOSE,
)
"""What Markdown, with GitHub's additions, reads as more than text where other text is before it."""


def one_line(words: object) -> str:
    """As it is, but white space, line breaks included, is a space, and what would be obeyed is �."""
    return OBEYED.sub("�", " ".join(str(words).split()))


def literal(words: object) -> str:
    """On one line, in Markdown that shows it as it is; for a cell of a table, or after other words of a line."""
    text = one_line(words)
    text = MARKUP.sub(lambda found: "".join(f"\\{mark}" for mark in found[0]) or "\\", text)
    return text if text.count("$") < 2 else text.replace("$", r"\$")  # GitHub reads a pair as mathematics


def code(words: object) -> str:
    """On one line, in code font where Markdown can show it so in a cell of a table."""
    text = one_line(words)
    return f"`{text}`" if text and not set(text) & set("`|") else literal(text)


def code_block(words: str, language: str) -> str:
    """Lines as they are, but for what would be obeyed; fenced by more backticks than stand within."""
    lines = "\n".join(OBEYED.sub("�", line) for line in words.split("\n"))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", lines)), default=0))
    return f"{fence}{language}\n{lines}\n{fence}"
