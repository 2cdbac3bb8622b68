"""Every kind of artefact: who reads it, and what they say when it is damaged."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.faults.damage import ANY, with_digest
from tests.faults.edits import EDITS, PLAUSIBLE
from tests.faults.outcomes import Case, Found, Outcome, judged
from tests.faults.processes import run, without_privileges
from tests.faults.workplace import Workplace

SHORT = 30.0
"""Seconds, of which a reader takes 4 at most; a pipe in the place of a file would hold it for ever."""

OPTIONAL = ("nothing, with its digest", "no rows, with its digest")
"""Some rows have no value in some columns, and some tables no rows; so other results are right, but no traceback."""


class Artefact(NamedTuple):
    """A kind of file."""

    kind: str
    pattern: str
    readers: list[str]
    valued: bool = True
    """Whether every other value is a fault; those of params.yaml are the user's."""


ARTEFACTS = [
    Artefact("source", "data/sample/tiny.zip", ["download@tiny"]),
    Artefact("raw ratings", "data/tiny/raw/tiny.zip", ["preprocess@tiny", "download@tiny"]),
    Artefact("matrices", "data/tiny/split/*.npz", [
        "train@tiny-dae-8", "fit@tiny", "evaluate@tiny", "budget@tiny-rq-vae",
    ]),
    Artefact("users and items", "data/tiny/split/*.parquet", ["evaluate@tiny", "report@tiny"]),
    Artefact("protocol", "data/tiny/split/protocol.json", ["report@tiny"]),
    Artefact("weights", "data/tiny/models/dae-8/*.pt", [
        "quantize@tiny-dae-8", "evaluate@tiny", "quantize-items@tiny-dae-8", "refit@tiny-dae-8",
        "evaluate-quantized@tiny-dae-8", "export@tiny",
    ]),
    Artefact("weights with codes", "data/tiny/models/??-vae*/*.pt", ["evaluate@tiny", "export@tiny"]),
    Artefact("weights with prefixes", "data/tiny/models/rq-vae/*.pt", ["budget@tiny-rq-vae"]),
    Artefact("references", "data/tiny/references/*.pt", ["evaluate@tiny"]),
    Artefact("checkpoints", "data/tiny/checkpoints/dae-8-*.pt", ["train@tiny-dae-8"]),
    Artefact("checkpoints, halfway", "data/tiny/checkpoints/dae-2-0.pt", ["train@tiny-dae-2"]),
    Artefact("checkpoints, with codes", "data/tiny/checkpoints/rq-vae-*.pt", ["train@tiny-rq-vae"]),
    Artefact("curves", "data/tiny/curves/**/*.csv", ["report@tiny"]),
    Artefact("codecs", "data/tiny/codecs/dae-8/*/*.npz", ["evaluate-quantized@tiny-dae-8", "export@tiny"]),
    Artefact("codecs of items", "data/tiny/codecs/dae-8/*tree*/*.npz", ["quantize-items@tiny-dae-8"]),
    Artefact("codecs of refits", "data/tiny/codecs/dae-8/*kmeans*/*.npz", ["refit@tiny-dae-8"]),
    Artefact("measured users", "data/tiny/evaluation/**/*.parquet", ["report@tiny", "export@tiny"]),
    Artefact("packages: weights", "data/tiny/packages/*/*.safetensors", ["encode@tiny", "recommend"]),
    Artefact("packages: graphs", "data/tiny/packages/*/*.onnx", ["encode@tiny", "recommend"]),
    Artefact("packages: words", "data/tiny/packages/*/*.json", ["encode@tiny", "recommend"]),
    Artefact("measured codes", "data/tiny/evaluation/**/code_usage.csv", ["report@tiny"]),
    Artefact("measured bytes", "data/tiny/evaluation/**/[!d]*.json", ["report@tiny"]),
    Artefact("stored users", "data/tiny/users/*/store/data.mdb", ["evaluate-serving@tiny", "recommend"]),
    Artefact("served users", "data/tiny/served/*/*.parquet", ["report@tiny"]),
    Artefact("served results", "data/tiny/served/*/*.json", ["report@tiny"]),
    Artefact("frontier table", "reports/tiny/plots/frontier.csv", ["advise", "draw"]),
    Artefact("report tables", "reports/tiny/*/*.csv", ["draw"]),
    Artefact("trials of a sweep", "data/tiny/sweeps/**/*.*", ["sweep"]),
    Artefact("study results", "data/tiny/studies/**/*.npz", ["study"]),
    Artefact("study checkpoint", "data/tiny/studies/*.checkpoint", ["study"]),
    Artefact("digests of a split", "data/tiny/split/digests.json", ["train@tiny-dae-8", "report@tiny"]),
    Artefact("digests of weights", "data/tiny/models/dae-8/digests.json", ["evaluate@tiny", "quantize@tiny-dae-8"]),
    Artefact("digests of codecs", "data/tiny/codecs/dae-8/digests.json", ["evaluate-quantized@tiny-dae-8"]),
    Artefact("digests of results", "data/tiny/evaluation/**/digests.json", ["report@tiny"]),
    Artefact("params.yaml", "params.yaml", ["preprocess@tiny", "train@tiny-dae-8", "report@tiny"], valued=False),
    Artefact("run facts", "reports/tiny/run.md", ["report@tiny", "fit@tiny"]),
]  # fmt: skip
FOLDERS = {
    "data/tiny/models/dae-8": ("data/tiny/models/other-8", ["evaluate@tiny", "quantize@tiny-dae-8"]),
    "data/tiny/codecs/dae-8/dae-8-pq-4x2": (
        "data/tiny/codecs/other-8/other-8-pq-4x2",
        ["evaluate-quantized@tiny-dae-8", "export@tiny"],
    ),
    "data/tiny/packages/dae-8-pq-4x2": ("data/tiny/packages/rq-vae-1b", ["encode@tiny"]),
    "data/tiny/evaluation/models/dae-8": ("data/tiny/evaluation/models/other-8", ["report@tiny"]),
    "data/tiny/evaluation/models/dae-8/dae-8": ("data/tiny/evaluation/models/other-8/other-8", ["report@tiny"]),
    "data/tiny/evaluation/refits/dae-8": ("data/tiny/evaluation/budgets/rq-vae", ["report@tiny"]),
    "data/tiny/codecs/dae-8/dae-8-kmeans-k4": ("data/tiny/codecs/dae-8/dae-8-lsq-1b", ["refit@tiny-dae-8"]),
}
"""Folders that can be confused: folder → its double, and who reads it."""


def cases(workplace: Workplace, times: int) -> Iterator[Case]:
    """Each damage of each kind of artefact, of a file and for a reader drawn anew each time."""
    for artefact in ARTEFACTS:
        readers = [reader for reader in artefact.readers if reader in workplace.commands]
        paths = sorted(path.relative_to(workplace.undisturbed) for path in workplace.undisturbed.glob(artefact.pattern))
        paths = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
        if not paths or not readers:
            print(f"not tried: {artefact.kind}")
            continue
        edits = sorted({name for path in paths for name in EDITS.get(path.suffix, {})})
        has_digests = any((workplace.undisturbed / above / "digests.json").exists() for above in paths[0].parents)
        if not has_digests or paths[0].name == "digests.json":
            forged = []
        else:
            forged = [f"{name}, with its digest" for name in edits if name not in PLAUSIBLE]
        for damage in [*ANY, *edits, *forged, "swapped", "unreadable"]:
            for time in range(times):
                random = Random(f"{artefact.kind} {damage} {time}")
                path, reader = random.choice(paths), random.choice(readers)
                others = [other for other in paths if other.suffix == path.suffix and other != path]
                if damage != "swapped" or others:
                    other = random.choice(others or paths)
                    yield _case(artefact, path, other, damage, reader, random)


def folder_cases(workplace: Workplace) -> Iterator[Case]:
    """Folders that changed places, as a whole."""
    for folder, (double, readers) in FOLDERS.items():
        for reader in readers:
            if reader in workplace.commands:
                yield _folder_case(Path(folder), Path(double), reader)


def _case(artefact: Artefact, path: Path, other: Path, damage: str, reader: str, random: Random) -> Case:
    def judge(workplace: Workplace, folder: Path) -> Found:
        target, harmed = folder / path, [path]
        if damage == "swapped":
            harmed.append(other)
            _swap(target, folder / other)
        elif damage == "unreadable":
            target.chmod(0)
        else:
            name, _, digest = damage.partition(", ")
            where = (ANY | EDITS.get(path.suffix, {}))[name](target, random)
            if digest:
                with_digest(target)
                harmed += [path.with_name("digests.json") for path in [path, *path.parents][:-1]]
        ended = run(
            folder, workplace.commands[reader].words, without_privileges if damage == "unreadable" else None, SHORT
        )
        valued = artefact.valued and damage not in OPTIONAL
        said = f"{where}: " if damage not in ("swapped", "unreadable") and where else ""
        must, must_not = ("ermission", "cannot write|remove") if damage == "unreadable" else ("", r"\x1b|\0")
        found = after(workplace, folder, reader, harmed, judged(ended, must, must_not), ended.said, valued)
        return found._replace(shown=said + found.shown)

    swapped = f" with {other}" if damage == "swapped" else ""
    return Case(artefact.kind, f"{reader}: {path}: {damage}{swapped}", judge)


def _folder_case(path: Path, double: Path, reader: str) -> Case:
    def judge(workplace: Workplace, folder: Path) -> Found:
        _swap(folder / path, folder / double)
        ended = workplace.run(folder, reader)
        return after(workplace, folder, reader, [path, double], judged(ended), ended.said)

    return Case("folders", f"{reader}: {path} swapped with {double}", judge)


def after(
    workplace: Workplace,
    folder: Path,
    reader: str,
    harmed: list[Path],
    found: Found | None,
    said: str,
    valued: bool = True,
) -> Found:
    """Compare what is there now, but for what was harmed, with an undisturbed run."""
    if (folder / "canary").exists():
        return Found(Outcome.WRONG, "a pickle ran")
    changed = workplace.changed(folder, harmed) if valued else []
    if found:
        return Found(Outcome.HARMED, f"{changed[:3]} {said[-300:]}") if changed else found
    if changed:
        return Found(Outcome.WRONG, f"{', '.join(map(str, changed[:3]))} differ")
    if valued and reader == "advise" and said != workplace.said[reader]:
        return Found(Outcome.WRONG, said)
    return Found(Outcome.HARMLESS)


def _swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
