"""Logs in RecBole's atomic files, `.inter`: separated by tabs, with a header such as `user_id:token`."""

from stages.config.dataset import RecBoleFormat
from stages.interactions.formats.csv import CsvReader
from stages.interactions.formats.reading import Reader


def reader(layout: RecBoleFormat) -> Reader:
    """The reader of files of this layout."""
    return AtomicReader(
        layout.columns.given(),
        layout.missing,
        layout.missing_words,
        separator="\t",
        quoted=False,
        text_ids=layout.ids == "string",
        member=layout.member,
    )


class AtomicReader(CsvReader):
    """Reads columns whose names in the header are followed by their type, `token` or `float`, but no sequences."""

    def titles(self, fields: list[str]) -> list[str]:
        """The names without types; whole for a sequence, which has to be named so and is then no id."""
        return [field.removesuffix(":token").removesuffix(":float") for field in fields]
