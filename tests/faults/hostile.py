"""Values and surroundings that nobody means well: each command starts from a new Python."""

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.faults.artefacts import after
from tests.faults.outcomes import Case, Found, Outcome, judged
from tests.faults.processes import run_afresh
from tests.faults.workplace import Workplace, tiny

GIGABYTE = 2**30
BOMB = "\n".join([
    "b0: &b0 [x, x, x, x, x, x, x, x, x, x]",
    *(f"b{n}: &b{n} [{', '.join(['*b' + str(n - 1)] * 10)}]" for n in range(1, 10)),
])  # fmt: skip
UNESCAPED = r"(?<!\\)"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Hostile(NamedTuple):
    """A command with what is changed for it."""

    what: str
    words: list[str]
    params: Callable[[str], str] | None = None
    """The text of params.yaml → another."""
    environment: dict[str, str] = {}  # noqa: RUF012
    memory: int | None = None
    """Bytes, a limit."""
    never: str = ""
    """A pattern that the report may not hold, outside fences."""
    fails: bool = True
    """Whether status 0 would be wrong; else it has to end as if undisturbed."""


def _title(value: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"title: Tiny", lambda _: f"title: {value}", text, count=1)


def _seed(value: str) -> Callable[[str], str]:
    return lambda text: re.sub(r"seed: 98765", lambda _: f"seed: {value}", text, count=1)


def _whole(value: str) -> Callable[[str], str]:
    return lambda _: value


CHECK, REPORT = ["stages.commands.check"], tiny("report")
ADVISE = ["stages.commands.advise", "--dataset", "tiny", "--gigabytes", "1", "--users"]
HOSTILE = [
    Hostile("alias bomb as title", CHECK, lambda text: BOMB + "\n" + _title("*b9")(text), memory=4 * GIGABYTE),
    Hostile("alias bomb as device", CHECK, lambda text: BOMB + "\n" + text.replace("device: cpu", "device: *b9"),
            memory=4 * GIGABYTE),
    Hostile("an alias in itself", CHECK, _title("&x [*x]")),
    Hostile("merge keys in a circle", CHECK, lambda text: "x: &x {<<: *x}\n" + text),
    Hostile("seed of 5,000 digits", CHECK, _seed("9" * 5000)),
    Hostile("float seed of 5,000 digits", CHECK, _seed("9" * 5000 + ".5")),
    Hostile("seed of 5,000 hexadecimal digits", CHECK, _seed("0x" + "f" * 5000)),
    Hostile("seed in sexagesimal", CHECK, _seed("1:" * 3000 + "1")),
    Hostile("2,000 nested lists", CHECK, _title("[" * 2000 + "]" * 2000)),
    Hostile("2,000 nested maps", CHECK, _title("{a: " * 2000 + "1" + "}" * 2000)),
    Hostile("2,000 nested blocks", CHECK, _whole("\n".join(" " * n + "a:" for n in range(2000)))),
    Hostile("title 2026-02-31", CHECK, _title("2026-02-31")),
    Hostile("title 2026-02-31T99:99:99Z", CHECK, _title("2026-02-31T99:99:99Z")),
    Hostile("a Python object as title", CHECK, _title("!!python/object/apply:os.system ['touch canary']")),
    Hostile("binary title", CHECK, _title("!!binary x")),
    Hostile("a set", CHECK, _title("!!set {a, b}")),
    Hostile("an unknown tag", CHECK, _title("!strange x")),
    Hostile("a key twice", CHECK, lambda text: text + "\ndevice: cuda\n"),
    Hostile("two documents", CHECK, lambda text: text + "\n---\n" + text),
    Hostile("a list as key", CHECK, lambda text: text + "\n? [a, {b: c}]\n: 1\n"),
    Hostile("a map as key", CHECK, lambda text: text + "\n? {a: b}\n: 1\n"),
    Hostile("null as key", CHECK, lambda text: text + "\n~: 1\n"),
    Hostile("a seed that is not a number", CHECK, _seed(".nan")),
    Hostile("an infinite seed", CHECK, _seed(".inf")),
    Hostile("nothing", CHECK, _whole("")),
    Hostile("a list of everything", CHECK, _whole("- 1\n- 2\n")),
    Hostile("a megabyte without an end", CHECK, _whole('"' + "x" * 2**20)),
    Hostile("YAML 9.9", CHECK, lambda text: "%YAML 9.9\n---\n" + text),
    *(Hostile(f"--users {value[:20]}", [*ADVISE, value]) for value in (
        "1" + "0" * 30, "1" + "0" * 5000, "nan", "inf", "-1", "0", "", "1e400", "x", "1_", "١", "5e-1",
    )),
    *(Hostile(f"--gigabytes {value}", [*ADVISE, "5", "--gigabytes", value]) for value in ("nan", "-1", "x", "")),
    *(Hostile(f"--dataset {value!r}", ["stages.download", "--dataset", value]) for value in (
        "../../x", "", ".", "/etc", "a\nb", "\x1b[31m", "tiny/../tiny", "x" * 300,
    )),
    Hostile("../../x in params.yaml", ["stages.download", "--dataset", "../../x"],
            lambda text: re.sub(r"  far:", "  ../../x:", text)),
    Hostile("models named ../../x", ["stages.train", "--dataset", "tiny", "--model", "../../x"],
            lambda text: text.replace("other-8", "../../x")),
    *(Hostile(f"in the title: {value[:12]}", REPORT, _title(repr(value)), never=UNESCAPED + re.escape(value),
              fails=False)
      for value in ("<script>alert(1)</script>", "![x](https://x.example/x.png)", "<img src=x>")),
    Hostile("a heading in the title", REPORT, _title('"a\\n\\n# b"'), never=r"(?m)^# b", fails=False),
    Hostile("a fence in the title", REPORT, _title('"a\\n```\\n# b"'), never=r"(?m)^# b", fails=False),
    Hostile("NUL in the title", REPORT, _title('"a\\0b"'), never="\0", fails=False),
    Hostile("ANSI codes in the title", REPORT, _title('"\\e[31m"'), never="\x1b", fails=False),
    *(Hostile(f"ASCII locale: {words[0]}", words, environment=ASCII, fails=False)
      for words in (REPORT, tiny("commands.draw"), tiny("preprocess"), [*ADVISE, "50_000_000"])),
    Hostile("ASCII terminal", [*ADVISE, "50_000_000"], environment={"PYTHONIOENCODING": "ascii"}, fails=False),
    Hostile("MPLBACKEND=nonsense", REPORT, environment={"MPLBACKEND": "nonsense"}, fails=False),
    Hostile("MPLBACKEND=TkAgg", tiny("commands.draw"), environment={"MPLBACKEND": "TkAgg"}, fails=False),
    Hostile("HOME that is not there", REPORT, environment={"HOME": "/nowhere"}, fails=False),
    Hostile("TMPDIR that is not there", REPORT, environment={"TMPDIR": "/nowhere"}, fails=False),
    *(Hostile(f"{size} MB of memory: {words[0]}", words, memory=size * 2**20, fails=False)
      # Not 500: with so little the import of SciPy itself ends in a segmentation fault, at times.
      for size in (120, 250, 800, 1200) for words in (tiny("preprocess"), tiny("train", "--model", "dae-8"))),
]  # fmt: skip


def cases(share: int = 1) -> Iterator[Case]:
    for hostile in HOSTILE[::share]:
        kind = "surroundings" if hostile.environment or (hostile.memory and not hostile.params) else "hostile values"
        yield Case(kind, f"{hostile.what}: {' '.join(hostile.words)[:80]}", partial(_judge, hostile))
    yield Case("hostile values", "a gzip of 1 MB that unpacks to 1 GB: preprocess", _gzip_bomb)


def _judge(hostile: Hostile, workplace: Workplace, folder: Path) -> Found:
    params = folder / "params.yaml"
    if hostile.params:
        text = params.read_text()
        changed = hostile.params(text)
        assert changed != text, hostile.what
        params.write_text(changed)
    temporary = {"TMPDIR": str(folder)} | hostile.environment
    ended = run_afresh(folder, hostile.words, temporary, hostile.memory)
    found = judged(ended)
    name = next((name for name, command in workplace.commands.items() if command.words == hostile.words), "")
    outside = folder.parent / "x"
    if outside.exists():
        shutil.rmtree(outside)
        return Found(Outcome.WRONG, f"wrote {outside}")
    if re.search(r"[\0\x1b]", ended.said):
        return Found(Outcome.WRONG, f"control codes in {ended.said[-200:]!r}")
    if hostile.never:
        report, page = ((folder / "reports/tiny" / name).read_text() for name in ("report.md", "frontier.html"))
        in_fences = r"(?ms)^```.*?^```$"
        raw = re.search(hostile.never, re.sub(in_fences, "", report)) or re.search("<script>alert|<img src=x", page)
        return Found(Outcome.WRONG, f"as it is: {raw}") if raw else found or Found(Outcome.HARMLESS)
    found = after(workplace, folder, name, [], found, ended.said)
    if hostile.fails and found.outcome is Outcome.HARMLESS:
        return Found(Outcome.WRONG, f"status 0: {ended.said[-200:]}")
    return found


def _gzip_bomb(_: Workplace, folder: Path) -> Found:
    params = folder / "params.yaml"
    text = re.sub(r"kind: movielens\n(\s+)member: .*", r"""kind: csv
\1ids: integer
\1columns: {user: userId, item: movieId, rating: rating}""", params.read_text(), count=1)  # fmt: skip
    text = re.sub(r"path: data/sample/tiny.zip\n\s+size: .*\n\s+sha256: .*", "path: bomb.csv.gz", text, count=1)
    params.write_text(text)
    (folder / "data/tiny/raw").mkdir(exist_ok=True)
    with gzip.open(folder / "data/tiny/raw/bomb.csv.gz", "wb", compresslevel=9) as file:
        file.write(b"userId,movieId,rating\n")
        for _megabyte in range(1024):
            file.write(b"1" * 2**20)
    ended = run_afresh(folder, tiny("preprocess"), {}, memory=2 * GIGABYTE)
    return judged(ended, must_not="batch_size") or Found(Outcome.WRONG, "status 0")
