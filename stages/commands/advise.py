"""Recommend a codec for a number of users and a number of gigabytes, from an existing report.

python -m stages.commands.advise --dataset ml-latest-small --users 50_000_000 --gigabytes 1
python -m stages.commands.advise --dataset ml-latest-small --users 50_000_000 --gigabytes 1 --milliseconds 1
"""

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, NamedTuple

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
from stages.run.facts import read as read_facts
from stages.run.text import literal, one_line
from stages.serving.times import Machine, WayTimes, read_times

GIGABYTE = 1e9
CHOSEN_BY = "validation_ndcg"
MOST = 10**12
SERVED = ("trained", "product", "additive")
"""Families whose rows can be handed over, and so be measured."""
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
    return _amount("--gigabytes", text)


def _milliseconds(text: str) -> float:
    return _amount("--milliseconds", text)


def _amount(option: str, text: str) -> float:
    number = _number(text)
    if number is None:
        raise UserError(f"{option} {quoted(text)}: must be a number from 0 to {MOST:,}, such as 0.5, 1,000 or 2e3")
    return float(number)


Users = Annotated[int, typer.Option(parser=_users, metavar="NUMBER", help="Users to be stored.")]
Gigabytes = Annotated[
    float,
    typer.Option(
        parser=_gigabytes, metavar="NUMBER", help="Room for all of them in GB (10⁹ bytes), codebooks included."
    ),
]
Milliseconds = Annotated[
    float | None,
    typer.Option(
        parser=_milliseconds,
        metavar="NUMBER",
        help="Time in which 99 of 100 queries are answered; only rows under serving.rows were measured.",
    ),
]


def advise(dataset: Dataset, users: Users, gigabytes: Gigabytes, milliseconds: Milliseconds = None) -> None:
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
    latency = None
    if milliseconds is not None:
        latency = _latency(dataset, fitting, milliseconds)
        fitting = fitting[fitting["row"].isin(latency.fast)]
    best = fitting.iloc[0]
    print(
        f"{best['row']}: {best['stored']}, {best['bytes_per_user']:g} bytes per user, {_room(best)} for {users:,} users"
    )
    print(f"chosen on the validation users of {title}; on its test users: {_accuracy(best)}")
    if best["nearest_twin"]:
        print(_encoding(dataset, best))
    if latency is not None:
        for line in latency.of(str(best["row"])):
            print(line)
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
        if guided := front.loc[front["nearest_twin"] != "", "row"].map(literal).tolist():
            print(f"\nof codes that are chosen by scores, which takes histories and longer: {', '.join(guided)}")


class Latency(NamedTuple):
    """What is known of the times of rows that fit."""

    fast: dict[str, WayTimes]
    """Row → the fastest way of scoring it; of those that are fast enough."""
    machine: Machine
    unknown: list[str]
    """Rows without a measurement, best first on the validation users."""
    rows: list[str]
    """All of them, in the same order."""

    def of(self, row: str) -> Iterator[str]:
        """What to say of a row, and of those that may be better."""
        way = self.fast[row]
        yield (
            f"ranked by {way.way}, a query takes {way.p50 / 1000:,.3g} ms at the median and {way.p99 / 1000:,.3g} ms "
            f"at the 99th percentile, for {way.n_items:,} items on {_in_words(self.machine)}"
        )
        better = [other for other in self.unknown if self.rows.index(other) < self.rows.index(row)]
        if better:
            yield f"better on the validation users, but never measured: {', '.join(better)}"


def _latency(dataset: str, fitting: pd.DataFrame, milliseconds: float) -> Latency:
    """Of rows, best first; UserError where none is known to be fast enough."""
    command = f"python -m stages.commands.measure_serving --dataset {dataset}"
    times = read_times(paths.report(dataset) / "serving.json", command)
    rows = fitting["row"].tolist()
    fastest: dict[str, WayTimes] = {}
    for way in times.ways:
        if way.row in rows and not way.made_up and (way.row not in fastest or way.p99 < fastest[way.row].p99):
            fastest[way.row] = way
    if not fastest:
        raise UserError(
            f"no times are known for any row that fits; name rows of product or residual codes under serving.rows in "
            f"params.yaml, run dvc repro, then {command}"
        )
    fast = {row: way for row, way in fastest.items() if way.p99 <= 1000 * milliseconds}
    if not fast:
        way = min(fastest.values(), key=lambda way: way.p99)
        raise UserError(
            f"no row that fits and was measured is ranked within {milliseconds:g} ms; the fastest, {way.row} by "
            f"{way.way}, takes {way.p99 / 1000:.3g} ms at the 99th percentile on {_in_words(times.machine)}: give as "
            "much, or take a faster machine and measure there"
        )
    served = fitting.loc[fitting["family"].isin(SERVED), "row"]
    return Latency(fast, times.machine, [row for row in served if row not in fastest], rows)


def _in_words(machine: Machine) -> str:
    return f"{machine.cpu}, {machine.cores} cores ({machine.date})"


def _read(dataset: str) -> pd.DataFrame:
    """The rows of the report that store bytes per user, without references, which are not codecs."""
    report = paths.report(dataset)
    table = read_report_table(report, "plots/frontier", COLUMNS)
    codes = table[(table["bytes_per_user"] > 0) & (table["family"] != "reference") & (table["repeats"] == "")]
    if codes.empty:  # at least the vectors of every model themselves are there
        raise damaged_table(report, "plots/frontier")
    return codes


def _encoding(dataset: str, row: pd.Series) -> str:
    """What codes that are chosen by scores need, and the times of the run, where they are known."""
    needs = "to encode a user takes the history, and not an embedding alone"
    stages = read_facts(paths.run_facts(dataset)).values()
    encode = {name: of["encode"] for stage in stages for name, of in stage.get("microseconds", {}).items()}
    if not {row["row"], row["nearest_twin"]} <= set(encode):
        return needs
    guided, nearest = (
        f"{microseconds:,.3g}" if microseconds < 100 else f"{microseconds:,.0f}"
        for microseconds in (encode[row["row"]], encode[row["nearest_twin"]])
    )
    return f"{needs}; {guided} µs, against {nearest} µs for {row['nearest_twin']}, as the run measured"


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
