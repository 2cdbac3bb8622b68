"""A few faults of each kind of the fault suite, drawn with a seed; all of them: python -m tests.faults."""

from collections.abc import Iterable
from itertools import chain
from random import Random

import pytest

from tests.faults import artefacts, hostile, interruptions, meanwhile, users
from tests.faults.outcomes import RIGHT, Case, run_all
from tests.faults.workplace import Workplace

SHORT = ["preprocess@tiny", "train@tiny-dae-8"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("faults"), without=["report@tiny", "recommend", "draw", "advise"])


def wrong(workplace: Workplace, cases: Iterable[Case], number: int) -> list[str]:
    """Of some of the cases, those that do not end right."""
    drawn = Random(1).sample(list(cases), number)
    return [
        f"{found.outcome}: {case.what}: {found.shown}"
        for case, found in run_all(workplace, drawn)
        if found.outcome not in RIGHT
    ]


def test_a_damaged_file_is_named_or_harmless(workplace: Workplace) -> None:
    assert wrong(workplace, artefacts.cases(workplace, times=1), 12) == []


def test_folders_that_changed_places_are_noticed(workplace: Workplace) -> None:
    assert wrong(workplace, artefacts.folder_cases(workplace), 2) == []


def test_a_killed_command_leaves_nothing_half_written_and_goes_on(workplace: Workplace) -> None:
    assert wrong(workplace, interruptions.kills(workplace, SHORT, share=1, moments=2), 5) == []


def test_a_full_disk_or_a_forbidden_folder_is_said_and_the_next_run_recovers(workplace: Workplace) -> None:
    cases = chain(interruptions.full_disks(workplace, SHORT, share=1), interruptions.forbidden(SHORT))
    assert wrong(workplace, cases, 4) == []


def test_users_are_all_there_after_a_kill_or_a_full_disk(workplace: Workplace) -> None:
    assert wrong(workplace, users.cases(moments=2), 4) == []


def test_params_yaml_edited_while_a_stage_runs_is_said(workplace: Workplace) -> None:
    assert wrong(workplace, meanwhile.edits(workplace, SHORT, every=4), 3) == []


def test_of_two_at_once_one_ends_right_and_the_other_names_it(workplace: Workplace) -> None:
    assert wrong(workplace, meanwhile.pairs(workplace, SHORT, every=4), 2) == []


def test_what_nobody_means_well_is_said(workplace: Workplace) -> None:
    cases = (case for case in hostile.cases() if "stages.commands.check" in case.what)
    assert wrong(workplace, cases, 3) == []
