"""params.yaml is checked as a whole, and what is wrong is said by its path."""

from pathlib import Path

import pytest

from stages.config.model import Dae
from stages.config.params import Row, read_params
from stages.run.errors import UserError

TEXT = (Path(__file__).parents[1] / "params.yaml").read_text()


def read(folder: Path, text: str) -> str:
    """The complaint about params.yaml with this text."""
    path = folder / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as raised:
        read_params(path)
    return str(raised.value)


def test_the_committed_file_has_every_row_of_table_1_its_references_and_ours() -> None:
    assert [row.name for row in read_params().rows()] == [
        "popularity",
        "ease",
        "vae-600-200-600",
        "dae-200",
        "dae-200-200-200",
        "pq-vae-200-200-40x5",
        "pq-vae-200-200-20x10",
        "opq-vae-200-40x5",
        "opq-vae-200-20x10",
        "rq-vae-200-20b",
        "rq-vae-200-10b",
        "rq-vae-200-5b",
        "dae-20-float16",
        "dae-10-float32",
        "dae-10-float16",
        "dae-5-float32",
        *(
            f"dae-200-{quantizer}"
            for quantizer in (
                "pq-40x5", "pq-20x10", "opq-40x5", "opq-20x10", "rq-20b", "rq-10b", "rq-5b", "rq-greedy-20b",
                "rq-greedy-5b", "lsq-5b", "kmeans-k256",
                "kmeans-k64", "kmeans-k16", "kmeans-k4", "tree", "scalar-float16", "scalar-bfloat16", "scalar-8bit",
                "scalar-6bit", "scalar-4bit", "scalar-1bit", "pca-40b", "pca-20b", "pca-10b", "history-40b",
                "history-20b",
            )
        ),
        "dae-200-200-200-pq-40x5",
        "dae-200-200-200-pq-20x10",
    ]  # fmt: skip


def test_the_commented_grid_is_right_too(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    lines = TEXT.splitlines()
    start = next(number for number, line in enumerate(lines) if "A fuller grid" in line)
    path.write_text(
        "\n".join(
            line.replace("  # ", "  ", 1) if number > start and line.startswith("  # ") else line
            for number, line in enumerate(lines)
        )
    )
    assert len(read_params(path).rows()) > len(read_params().rows()) + 20


def test_there_are_three_seeds() -> None:
    assert len(read_params().seeds) == 3


def test_every_line_of_the_committed_file_with_a_new_key_is_explained() -> None:
    explained: set[str] = set()
    unexplained: set[str] = set()
    for line in TEXT.splitlines():
        key, colon, rest = line.partition(":")
        name = key.strip()
        if colon and rest.strip() and not name.startswith(("#", "-")) and "{" not in rest:  # a variant's name says it
            (explained if "#" in rest else unexplained).add(name)
    assert unexplained - explained == set()


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("1.0e-3", "1e-3"))
    model = read_params(path).model("dae-200")
    assert isinstance(model, Dae)
    assert model.learning_rate == 0.001


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("learning_rate: 1.0e-3 #", "lerning_rate: 1.0e-3 #", "unknown key; did you mean 'learning_rate'?"),
        ("learning_rate: 1.0e-3 #", "lerning_rate: 1.0e-3 #", "models.vae-600-200-600.learning_rate: is missing"),
        ("dropout: 0.5 #", "dropout: 1.5 #", "models.vae-600-200-600.dropout: Input should be less than 1 (found 1.5)"),
        ("dropout: 0.5 #", "dropout: .nan #", "models.vae-600-200-600.dropout: Input should be a finite number"),
        ("threshold: 3.5 #", "threshold: high #", "datasets.ml-latest-small.split.threshold: Input should be a valid"),
        (
            "hidden: [600, 200, 600]",
            "hidden: [600, 600]",
            "models.vae-600-200-600.hidden: needs an odd number",
        ),
        ("      chunks: 40 #", "      chunks: 30 #", "models.pq-vae-200-200-40x5.bottleneck: 30 chunks do not divide"),
        ("\n    chunks: 40\n", "\n    chunks: 30\n", "quantizers.pq-40x5: 30 chunks do not divide"),
        (
            "\n    chunks: 40\n",
            "\n    chunks: 0\n",
            "quantizers.pq-40x5.chunks: Input should be greater",
        ),
        ("  - ml-20m\n", "  - ml-21m\n", "run: 'ml-21m' is not under datasets"),
        ("      bytes: [20, 10, 5] #", "      bytes: [5, 10] #", "models.rq-vae-200.bottleneck.bytes: must fall"),
        (
            "    stored: [float16]",
            "    stored: [float64]",
            "models.dae-20.stored.0: Input should be 'float32' or 'float16' (found 'float64')",
        ),
        (
            "      kind: residual\n",
            "      kind: residue\n",
            "models.rq-vae-200.bottleneck.kind: 'residue' is none of 'product', 'residual'",
        ),
        (
            "    bottleneck:\n      kind: residual",
            "    stored: [float16]\n    bottleneck:\n      kind: residual",
            "models.rq-vae-200.stored: is for models without bottleneck",
        ),
        ("seeds: [0, 1, 2]", "seeds: [0, 1, 1]", "seeds: 1 is there more than once"),
        (
            "no commitment: { bottleneck: { commitment: 0.0 } }",
            "no commitment: { bottleneck: { comitment: 0.0 } }",
            "variants.no commitment.bottleneck.comitment: unknown key; did you mean 'commitment'",
        ),
        (
            "    model: rq-vae-200 #",
            "    model: rq-vae-300 #",
            "studies.ablation.model: 'rq-vae-300' is not under models",
        ),
        (
            "  learning_rate: [1.0e-5, 1.0e-3]",
            "  learning_rate: [1.0e-3, 1.0e-5]",
            "sweep.learning_rate: gives the low",
        ),
        ("seeds: [0, 1, 2]", "seeds: []", "seeds: List should have at least 1 item"),
        ("  rq-vae-200: #", "  ease: #", "two rows are named 'ease'; rename an entry"),
        (
            "  history: #",
            "  rq-20b: {kind: product, chunks: 4, rotation: false, seed: 1}\n  history: #",
            "two rows are named 'dae-200-rq-20b'",
        ),
        ("  dae-200: all\n", "  ease: all\n", "quantized_models: 'ease' is not an auto-encoder"),
        ("[pq-40x5, pq-20x10] #", "[pq-40x5, pq] #", "quantized_models.dae-200-200-200: 'pq' is not under quantizers"),
        ("bytes: [40, 20, 10]\n", "bytes: [400]\n", "quantizers.pca: there are no 400 directions in the hidden layer"),
        ("codes: [256, 64, 16, 4] #", "codes: [4, 64] #", "quantizers.kmeans.codes: must fall from one to the next"),
        ("types: [float16, bfloat16, 8bit", "types: [7bit", "quantizers.scalar.types.0: Input should be 'float16'"),
        ("    branches: 16 #", "    branches: 1 #", "quantizers.tree.branches: Input should be greater than or eq"),
        ("  rq-vae-200: [10, 5]", "  dae-200: [10, 5]", "budgets: 'dae-200' is not a model with a residual bottleneck"),
        ("  rq-vae-200: [10, 5]", "  rq-vae-200: [21]", "budgets.rq-vae-200: must be from 2 to 20, the bytes of the"),
        ("[pq-20x10, rq-greedy, scalar]", "[pq]", "quantized_items.dae-200: 'pq' is not fitted on the model's users"),
        ("[pq-20x10, rq-greedy, scalar]", "[history]", "quantized_items.dae-200: 'history' keeps histories, and has"),
        ("kind: popularity", "kind: fame", "references.popularity.kind: 'fame' is none of 'popularity', 'ease'"),
        ("    kind: popularity", "    l2: 1", "references.popularity.kind: is missing"),
        ("codes: [256, 64, 16, 4] #", "codes: [4, 1] #", "quantizers.kmeans.codes: 1 centroid is the same for every"),
        ("history\n    bytes: [40, 20]", "history\n    bytes: [40, 2]", "quantizers.history.bytes: the number of one"),
        ("  dae-200:", "  dae_200:", "models.dae_200"),
        ("      kind: file #", "      kind: files #", "datasets.ml-latest-small.source.kind: 'files' is none of"),
        ("      path: data", "      urls: [https://x]\n      path: data", "source.urls: does not belong here"),
        ("      size: 972389 # bytes\n", "", "datasets.ml-latest-small.source: give both size and sha256, or neither"),
        ("kind: movielens #", "kind: excel #", "datasets.ml-latest-small.format.kind: 'excel' is none of"),
        ("ratings.csv #", "scores.csv #", "datasets.ml-latest-small.format.member: String should match"),
        ("threshold: 3.5 #", "threshold: null #", "datasets.ml-latest-small.split: threshold is missing"),
        ("ratings: 20000263\n      seed", "ratings: 2\n      seed", "source: ratings must be from 138,493 to"),
        (
            "    title: a rehearsal of MovieLens-20M\n",
            "    title: a rehearsal\n    compare_with_paper: true\n",
            "ml-20m-rehearsal: compare_with_paper must be false: the source is synthetic",
        ),
        ("  - ml-20m\n", "  - ml-20m\n  - ml-20m\n", "run: 'ml-20m' is there more than once"),
        ("device: auto", "device: tpu", "device: Input should be 'auto', 'cpu' or 'cuda' (found 'tpu')"),
        ("precision: float32", "precision: float16", "training.precision: Input should be 'float32' or 'bfloat16'"),
        ("digits: 5", "digits: '5'", "report.digits: Input should be a valid integer"),
    ],
)
def test_a_wrong_entry_is_said_by_its_path(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    assert complaint in read(tmp_path, TEXT.replace(old, new, 1))


OWN = """
  mine:
    title: Mine
    source: {kind: file, path: log.csv}
    format: {kind: csv, ids: string, columns: {user: u, item: i}}
    split: {min_user_interactions: 5, held_out_users: 10, held_out_share: 0.2, seed: 98765}
    training: {batch_size: 100, epochs: 10}
"""


def with_own_data(old: str, new: str) -> str:
    assert old in OWN
    return TEXT.replace("\ndevice: auto", OWN.replace(old, new) + "\ndevice: auto")


def test_an_entry_for_own_data_is_short(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(with_own_data("", ""))
    assert read_params(path).dataset("mine").split.threshold is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("user: u,", "user: u, rating: r,", "datasets.mine.split: threshold is missing"),
        (
            "split: {",
            "split: {threshold: 3.0, ",
            "datasets.mine.split: threshold is given, but format.columns names no",
        ),
        ("user: u,", "user: 1,", "datasets.mine.format.columns: give names for all columns, or positions for all"),
        ("user: u,", "user: i,", "datasets.mine.format.columns: a column is named twice"),
        ("user: u,", "", "datasets.mine.format.columns.user: is missing"),
        ("user: u,", "user: u, when: t,", "datasets.mine.format.columns.when: unknown key"),
        ("kind: csv, ids: string,", "kind: parquet, ids: string,", "datasets.mine.format.ids: does not belong here"),
        (
            "kind: csv, ids: string, columns: {user: u, item: i}",
            "kind: parquet, columns: {user: 1, item: 2}",
            "datasets.mine.format.columns: Parquet has names for columns, no positions",
        ),
        ("ids: string", "ids: words", "datasets.mine.format.ids: Input should be 'integer' or 'string'"),
        ("kind: csv,", "kind: csv, separator: ab,", "datasets.mine.format.separator: "),
    ],
)
def test_a_wrong_entry_for_own_data_is_said_by_its_path(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert complaint in read(tmp_path, with_own_data(old, new))


def test_all_wrong_entries_are_said_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("dropout: 0.5", "drop_out: 0.5").replace("digits: 5", "digits: 50").replace("- ml-20m", "- ml")
    lines = read(tmp_path, text).splitlines()
    assert lines[0].endswith("params.yaml has 24 wrong entries; nothing was run:")
    assert len(lines) == 25


@pytest.mark.parametrize("text", ["", "- a list", "just words"])
def test_a_file_without_keys_is_said(tmp_path: Path, text: str) -> None:
    assert "holds no keys" in read(tmp_path, text)


@pytest.mark.parametrize("text", ["run: [", "run: []\nrun: []", "a: \tb:\n\t- c"])
def test_a_file_that_is_no_yaml_is_said(tmp_path: Path, text: str) -> None:
    assert "is not valid YAML" in read(tmp_path, text)


def test_a_missing_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run stages from the top of the repository"):
        read_params(tmp_path / "params.yaml")


def test_an_unknown_name_says_the_known_ones() -> None:
    with pytest.raises(UserError, match="no 'ml-2m' under datasets; it has ml-latest-small, ml-20m, ml-20m-rehearsal"):
        read_params().dataset("ml-2m")


@pytest.mark.parametrize(
    ("n_users", "n_items", "complaint"),
    [
        (255, 1000, "models.rq-vae-200: 256 codes need as many train users, there are 255"),
        (255, 1000, "quantizers.pq-20x10: 256 codes need as many train users, there are 255"),
        (1000, 255, "quantizers.pq-20x10: 256 codes need as many items, there are 255"),
    ],
)
def test_a_split_that_is_too_small_is_said_by_entry(n_users: int, n_items: int, complaint: str) -> None:
    with pytest.raises(UserError) as raised:
        read_params().check_split(n_users, n_items)
    assert complaint in str(raised.value)


def test_a_split_as_large_as_a_codebook_will_do() -> None:
    read_params().check_split(256, 256)


def test_a_row_is_named_after_its_model_and_quantizer() -> None:
    assert Row("dae-200", None).name == "dae-200"
    assert Row("dae-200", "pq-40x5").name == "dae-200-pq-40x5"


def test_a_row_of_several_forms_is_named_after_its_form() -> None:
    assert Row("rq-vae-200", None, 20).name == "rq-vae-200-20b"
    assert Row("dae-10", None, "float16").name == "dae-10-float16"
    assert Row("dae-200", "rq", 5).name == "dae-200-rq-5b"
    assert Row("dae-200", "rq", 5).base == "dae-200-rq"
