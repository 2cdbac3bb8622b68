"""A stage whose settings or code change while it runs fails, as DVC would vouch for the new ones."""

from collections.abc import Callable

import pytest

from tests.run.conftest import Project, ended

RATE = "hidden: [200]\n    dropout: 0.5\n    learning_rate: 1.0e-3"


def change_the_models_rate(project: Project) -> None:
    project.edit("params.yaml", RATE, RATE.replace("1.0e-3", "2.0e-3"))


def change_what_the_data_set_says(project: Project) -> None:
    project.edit("params.yaml", "batch_size: 40 #", "batch_size: 80 #")


def take_the_model_out(project: Project) -> None:
    project.edit(
        "params.yaml", "  dae-200: # the float twin of the rows with", "  dae-300: # the float twin of the rows with"
    )


def break_params_yaml(project: Project) -> None:
    project.edit("params.yaml", "seeds: [0, 1, 2]", "seeds: [0, 1, 2")


def remove_params_yaml(project: Project) -> None:
    (project.folder / "params.yaml").unlink()


def change_the_code(project: Project) -> None:
    project.edit("stages/helper.py", "1", "2")


def remove_the_code(project: Project) -> None:
    (project.folder / "stages/helper.py").unlink()


def comment(project: Project) -> None:
    project.edit("params.yaml", "seeds: [0, 1, 2]", "seeds: [0, 1, 2] # a word more")


def write_the_same_otherwise(project: Project) -> None:
    project.edit("params.yaml", RATE, RATE.replace("1.0e-3", "0.001"))


def change_another_entry(project: Project) -> None:
    project.edit("params.yaml", "bootstrap_seed: 0", "bootstrap_seed: 1")


def change_other_code(project: Project) -> None:
    project.edit("stages/unrelated.py", "1", "2")


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (change_the_models_rate, "params.yaml (models.dae-200.learning_rate)"),
        (change_what_the_data_set_says, "params.yaml (datasets.ml-latest-small.training.batch_size)"),
        (take_the_model_out, "params.yaml (models.dae-200)"),
        (break_params_yaml, "params.yaml, which can't be read by now,"),
        (remove_params_yaml, "params.yaml, which can't be read by now,"),
        (change_the_code, "stages/helper.py"),
        (remove_the_code, "stages/helper.py"),
    ],
)
def test_a_change_of_what_it_depends_on_fails_it_and_the_old_output_stays(
    project: Project, edit: Callable[[Project], None], what: str
) -> None:
    project.output.mkdir(parents=True)
    (project.output / "weights").write_text("old")
    stage = project.start()
    project.reach("middle")
    edit(project)
    project.go()
    assert ended(stage) == (1, f"error: {what} changed while slow-stage ran; run it again\n")
    assert (project.output / "weights").read_text() == "old"
    assert [path.name for path in project.output.parent.iterdir()] == [project.output.name]


@pytest.mark.parametrize("edit", [comment, write_the_same_otherwise, change_another_entry, change_other_code])
def test_a_change_of_anything_else_does_not(project: Project, edit: Callable[[Project], None]) -> None:
    stage = project.start()
    project.reach("middle")
    edit(project)
    project.go()
    assert ended(stage) == (0, "")
    assert (project.output / "weights").read_text() == "of 0.001"


def test_code_that_changes_while_it_is_imported_fails_it_too(project: Project) -> None:
    (project.folder / "wait at import").touch()
    stage = project.start()
    project.reach("import")
    change_the_code(project)
    project.go()
    assert ended(stage) == (1, "error: stages/helper.py changed while slow-stage ran; run it again\n")


def test_a_change_after_the_outputs_are_there_fails_it_too(project: Project) -> None:
    project.edit(
        "stages/slow_stage.py",
        '\nif __name__ == "__main__":',
        '    params = Path("params.yaml")\n'
        '    params.write_text(params.read_text().replace("seeds: [0, 1, 2]", "seeds: [5]"))\n'
        '\nif __name__ == "__main__":',
    )
    project.go()
    assert ended(project.start()) == (1, "error: params.yaml (seeds) changed while slow-stage ran; run it again\n")
