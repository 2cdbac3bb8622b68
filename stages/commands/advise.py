"""Recommend a codec for a number of users and a number of gigabytes, from an existing report.

python -m stages.commands.advise --dataset ml-latest-small --users 50_000_000 --gigabytes 1
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated

import pandas as pd
import typer

from stages.config.reader import read_params
from stages.reporting.csv_files import damaged_table, read_report_table
from stages.reporting.frontier import COLUMNS
from stages.reporting.results import NDCG
from stages.reporting.tables import difference_cells, markdown, share_cells
from stages.reporting.wording import difference, each, score, share_interval
from stages.run import paths
from stages.run.command_line import Dataset, run
from stages.run.errors import UserError, quoted
from stages.run.text import literal, one_line

GIGABYTE = 1e9
CHOSEN_BY = "validation_ndcg"
MOST = 10**12
NUMBER = re.compile(r"([0-9]{1,3}(,[0-9]{3})+|[0-9]+(_[0-9]+)*)?(\.[0-9]+)?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)


def _number(text: str) -> Decimal | None:
    """What 50000000, 50_000_000, 50,000,000 and 5e7 say; None of what is no number, or not from 0 to 10¹²."""
    try:
        number = Decimal(text.replace(",", "").replace("_", "")) if NUMBER.fullmatch(text) else None
    except InvalidOperation:
        return None
    return number if number is not None and number <= MOST else None


def _users(text: str) -> int:
    number = _number(text)
    if number is None or number < 1 or number % 1:
        raise UserError(
            f"--users {quoted(text)}: must be a whole number from 1 to {MOST:,}, such as 50000000, 50,000,000 or 5e7"
        )
    return int(number)


def _gigabytes(text: str) -> float:
    number = _number(text)
    if number is None:
        raise UserError(f"--gigabytes {quoted(text)}: must be a number from 0 to {MOST:,}, such as 0.5, 1,000 or 2e3")
    return float(number)


Users = Annotated[int, typer.Option(parser=_users, metavar="NUMBER", help="To be stored.")]
Gigabytes = Annotated[
    float,
    typer.Option(parser=_gigabytes, metavar="NUMBER", help="Of 10⁹ bytes, for all of them, codebooks included."),
]


def advise(dataset: Dataset, users: Users, gigabytes: Gigabytes) -> None:
    """Print the row that fits and is best on the validation users, without references, and the best in less space.

    What is printed of a row is measured on the test users, by whom it was not chosen.
    """
    title = one_line(read_params().dataset(dataset).title)
    table = _read(dataset)
    table["gigabytes"] = (table["bytes_per_user"] * users + table["shared_bytes"]) / GIGABYTE
    fitting = table[table["gigabytes"] <= gigabytes].sort_values([CHOSEN_BY, "gigabytes"], ascending=[False, True])
    if fitting.empty:
        smallest = table.nsmallest(1, "gigabytes").iloc[0]
        raise UserError(
            f"no row fits {users:,} users into {gigabytes:g} GB; the smallest, {smallest['row']}, takes "
            f"{smallest['gigabytes']:.6g} GB: give as much, or add a quantizer of fewer bytes to params.yaml"
        )
    best = fitting.iloc[0]
    print(
        f"{best['row']}: {best['stored']}, {best['bytes_per_user']:g} bytes per user, {_room(best)} for {users:,} users"
    )
    print(f"chosen on the validation users of {title}; on its test users: {_accuracy(best)}")
    # Rows of as many bytes differ in what they share alone: the best of them is enough.
    front = fitting.drop_duplicates("bytes_per_user").sort_values("bytes_per_user")
    front = front[front[CHOSEN_BY] > front[CHOSEN_BY].cummax().shift(fill_value=-1)].iloc[::-1].iloc[1:]
    if len(front):
        print("\nin less:\n")
        print(markdown(pd.DataFrame(
            {
                "row": front["row"].map(literal),
                "bytes per user": front["bytes_per_user"].map("{:g}".format),
                "all users": [_room(row) for _, row in front.iterrows()],
                "NDCG@100": each(front[NDCG], score),
                "against float model (95 % CI)": difference_cells(front, "difference"),
                "above popularity (95 % CI)": share_cells(front, "above_popularity"),
            }
        )))  # fmt: skip


def _read(dataset: str) -> pd.DataFrame:
    """The rows of the report that store bytes per user, without references, which are not codecs."""
    report = paths.report(dataset)
    table = read_report_table(report, "plots/frontier", COLUMNS)
    codes = table[(table["bytes_per_user"] > 0) & (table["family"] != "reference") & (table["repeats"] == "")]
    if codes.empty:  # at least the vectors of every model themselves are there
        raise damaged_table(report, "plots/frontier")
    return codes


def _room(row: pd.Series) -> str:
    return f"{row['gigabytes']:.3g} GB"


def _accuracy(row: pd.Series) -> str:
    """NDCG@100; against the float model, with 95 % confidence intervals, where there is one."""
    text = f"NDCG@100 {row[NDCG]:.4f}"
    if pd.notna(row["difference"]):
        kept = "of a float model without a hit"
        if pd.notna(row["kept"]):
            kept = f"{share_interval(*_interval(row, 'kept'))} of its float model's"
        text += f", {kept}, a difference of {difference(*_interval(row, 'difference'))}"
    if pd.notna(row["above_popularity"]):
        text += f"; {share_interval(*_interval(row, 'above_popularity'))} of what that model has above popularity"
    return text


def _interval(row: pd.Series, name: str) -> tuple[float, float, float]:
    return row[name], row[f"{name}_low"], row[f"{name}_high"]


if __name__ == "__main__":
    run(advise)
