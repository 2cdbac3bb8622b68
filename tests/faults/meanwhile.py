"""What others do while a command runs: they edit params.yaml or code, or run the same command."""

import io
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.faults.outcomes import RIGHT, Case, Found, Outcome, judged
from tests.faults.processes import Running, at_event, replaced, run, stopped
from tests.faults.workplace import Workplace

EDITS: dict[str, tuple[tuple[str, ...], Any]] = {
    "preprocess@tiny": (("datasets", "tiny", "split", "held_out_users"), 21),
    "fit@tiny": (("references", "ease", "l2"), 11.0),
    "train@tiny-dae-8": (("models", "dae-8", "learning_rate"), 0.03),
    "quantize@tiny-dae-8": (("quantizers", "kmeans", "seed"), 5),
    "evaluate@tiny": (("seeds",), [0]),
    "evaluate-quantized@tiny-dae-8": (("evaluation", "batch_size"), 499),
    "quantize-items@tiny-dae-8": (("quantized_items", "dae-8"), ["tree"]),
    "refit@tiny-dae-8": (("refits", "dae-8", "epochs"), 1),
    "budget@tiny-rq-vae": (("budgets", "rq-vae"), [3]),
    "report@tiny": (("report", "digits"), 3),
}
"""Stage → an entry that it uses, and another value."""
GRACE = 2.0
"""Seconds for the second of two commands, before the first goes on."""
UNUSED = ("sweep", "seed"), 7


def edits(workplace: Workplace, names: list[str], every: int) -> Iterator[Case]:
    """params.yaml is saved anew before every n-th event of a stage."""
    for name in names:
        entry, value = EDITS[name]
        for number in [*range(1, workplace.events(name) + 1, every), workplace.events(name)]:
            what = f"{name}: {'.'.join(entry)} becomes {value} before event {number}"
            yield Case("params.yaml edited", what, partial(_edited, name, number, entry, value))
        what = f"{name}: {'.'.join(UNUSED[0])}, which it does not use, is edited"
        yield Case("params.yaml edited elsewhere", what, partial(_edited, name, 2, *UNUSED))


def pairs(workplace: Workplace, names: list[str], every: int) -> Iterator[Case]:
    """A command starts while the same one is stopped before its n-th event; then that one goes on."""
    for name in names:
        for number in range(1, workplace.events(name) + 1, every):
            yield Case("two at once", f"{name}: the other before event {number}", partial(_paired, name, number))


def _edited(name: str, number: int, entry: tuple[str, ...], value: object, workplace: Workplace, folder: Path) -> Found:
    workplace.begin(folder, name)
    params = folder / "params.yaml"
    edit = partial(replaced, params, _with(params.read_text(), entry, value))
    words = workplace.commands[name].words
    if found := judged(run(folder, words, partial(at_event, number, edit)), r"params\.yaml"):
        needless = found.outcome is Outcome.SENTENCE and entry == UNUSED[0]
        return found._replace(outcome=Outcome.VAGUE) if needless else found
    # Then it has read the new value, or does not use it: with it, it does the same again.
    before = workplace.digests(folder)
    workplace.begin(folder, name)
    again = judged(run(folder, words))
    if again or workplace.digests(folder) != before:
        return Found(Outcome.WRONG, f"status 0, although its entry has another value now; {again or ''}")
    return Found(Outcome.HARMLESS)


def _paired(name: str, number: int, workplace: Workplace, folder: Path) -> Found:
    workplace.begin(folder, name)
    words = workplace.commands[name].words
    first = Running(folder, words, partial(at_event, number, stopped))
    first.until(f"event {number}:")
    second = Running(folder, words)
    second.until("error: ", GRACE)
    first.signal(signal.SIGCONT)
    # A lock is without a name for the moment before its process writes it there.
    of_second = judged(second.end(), rf"\b{first.process.pid}\b|process unknown")
    of_first = judged(first.end(), rf"\b{second.process.pid}\b|process unknown")
    if of_first and of_second:
        return Found(Outcome.STUCK, f"both failed: {of_first}, {of_second}")
    found = of_first or of_second or Found(Outcome.HARMLESS)
    if found.outcome in RIGHT and (changed := workplace.changed(folder)):
        return Found(Outcome.WRONG, f"{', '.join(map(str, changed[:3]))} differ; {found.shown}")
    return found


def _with(text: str, entry: tuple[str, ...], value: object) -> str:
    yaml = YAML()
    content = yaml.load(text)
    place = content
    for name in entry[:-1]:
        place = place[name]
    place[entry[-1]] = value
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
