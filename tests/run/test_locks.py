"""Two processes never write the same output: the second says who does; a lock ends with its process."""

import os
import signal

from stages.run import facts
from tests.run.conftest import MODEL, Project, ended


def test_the_second_of_two_says_which_process_is_writing_and_does_not_disturb_it(project: Project) -> None:
    first = project.start()
    project.reach("middle")
    status, errors = ended(project.start())
    assert status == 1
    assert errors.startswith(f"error: data/ml-latest-small/models/dae-200 is being written by process {first.pid} (")
    assert (
        "-m stages.slow_stage --dataset ml-latest-small --model dae-200); wait until that ends, or end it\n" in errors
    )
    project.go()
    assert ended(first) == (0, "")
    assert (project.output / "weights").read_text() == "of 0.001"


def test_another_output_may_be_written_meanwhile(project: Project) -> None:
    first = project.start()
    project.reach("middle")
    second = project.start("--dataset", "ml-latest-small", "--model", "dae-20")
    project.reach("middle")
    project.go()
    assert [ended(process) for process in (first, second)] == [(0, ""), (0, "")]
    recorded = facts.read(project.folder / "reports/ml-latest-small/run.md")
    assert set(recorded) == {"slow-stage-dae-200", "slow-stage-dae-20"}


def test_after_a_kill_the_lock_is_free_and_what_was_left_half_done_is_removed(project: Project) -> None:
    killed = project.start()
    project.reach("middle")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    beside = project.output.parent
    assert {path.name for path in beside.iterdir()} == {f".{MODEL}.part", f".{MODEL}.lock"}
    project.go()
    assert ended(project.start("--dataset", "ml-latest-small", "--model", "dae-20")) == (0, "")
    assert {path.name for path in beside.iterdir()} == {"dae-20"}


def test_what_a_running_process_has_half_done_stays(project: Project) -> None:
    first = project.start()
    project.reach("middle")
    second = project.start("--dataset", "ml-latest-small", "--model", "dae-20")
    project.reach("middle")
    assert (project.output.parent / f".{MODEL}.part/weights").read_text() == "half"
    project.go()
    assert [ended(process)[0] for process in (first, second)] == [0, 0]
