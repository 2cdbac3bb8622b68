"""References from their entries."""

from stages.config.model import EaseSettings, PopularitySettings
from stages.references.build import build_reference
from stages.references.ease import Ease
from stages.references.popularity import Popularity


def test_each_kind_is_built_by_its_module() -> None:
    assert isinstance(build_reference(PopularitySettings(kind="popularity"), 40), Popularity)
    assert isinstance(build_reference(EaseSettings(kind="ease", l2=3.0), 40), Ease)


def test_ease_takes_its_l2_from_its_entry() -> None:
    ease = build_reference(EaseSettings(kind="ease", l2=3.0), 40)
    assert isinstance(ease, Ease)
    assert ease.l2 == 3.0


def test_a_reference_is_built_for_so_many_items() -> None:
    assert build_reference(PopularitySettings(kind="popularity"), 40).state_dict()["scores"].shape == (40,)
