"""README shows how the bundled report opens: its first table, and the list below it.

python -m tests.decision_table    copies them from the committed report
"""

from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
REPORT = ROOT / "reports/ml-latest-small/report.md"
BEGIN, END = "<!-- decision table: python -m tests.decision_table -->\n", "<!-- end of decision table -->\n"


def opening(report: str) -> str:
    """The first table of a report, with the list below it if there is one."""
    lines = report[report.index("\n|") + 1 :].splitlines()
    return "\n".join(takewhile(lambda line: not line or line.startswith(("| ", "|:", "- ")), lines)).strip() + "\n"


def updated(readme: str, report: str) -> str:
    """README with how the report opens between its markers."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{opening(report)}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(), REPORT.read_text()))
