"""The page of the frontier: what it holds, and how it behaves in a real browser."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stages.reporting.families import FAMILIES
from stages.reporting.page import render_page

METRICS = pd.DataFrame(
    [("ndcg@100", "NDCG@100"), ("recall@20", "Recall@20"), ("luck@7", "Luck@7")], columns=["metric", "label"]
)
UNKNOWN = float("nan")
USERS = pd.DataFrame(
    [
        ("vae", "float", "600 × float32", 2400, 0, 0.42, 0.3, 0.7, 0.0, ""),
        ("dae", "float", "200 × float32", 800, 0, 0.41, 0.32, 0.7, 0.0, ""),
        ("ease", "reference", "items, int32", 264.25, 0, 0.45, 0.31, 0.6, UNKNOWN, "front"),
        ("pq-vae", "trained", "40 codes of 8 bits", 40, 205000, 0.403, 0.28, 0.7, 0.05, "front"),
        ("dae-opq", "product", "40 codes of 8 bits", 40, 365000, 0.4, 0.29, 0.5, 0.08, "tie"),
        ("dae-pq", "product", "20 codes of 8 bits", 20, 1600, 0.35, 0.25, 0.4, 0.3, "front"),
        ("dae-tree", "whole", "1 of 256 leaves", 1, 218000, 0.3, 0.2, 0.7, 0.4, "front"),
        ("popularity", "reference", "nothing", 0, 0, 0.2, 0.1, 0.7, UNKNOWN, ""),
    ],
    columns=[
        "row", "family", "stored", "bytes_per_user", "shared_bytes", "ndcg@100", "recall@20", "luck@7",
        "variance_lost", "standing",
    ],
)  # fmt: skip
HAS_TWIN = USERS["family"].isin(["trained", "product", "whole"])
USERS["float_twin"] = HAS_TWIN.map({True: "dae", False: ""})
USERS["nearest_twin"] = ""
USERS["difference"] = (USERS["ndcg@100"] - 0.41).where(HAS_TWIN)
USERS["kept"] = 1 + USERS["difference"] / 0.41
USERS["above_popularity"] = 1 + USERS["difference"] / 0.21
for compared in ("difference", "kept", "above_popularity"):
    USERS[f"{compared}_low"], USERS[f"{compared}_high"] = USERS[compared] - 0.02, USERS[compared] + 0.01
ITEMS = (
    USERS[USERS["family"].isin(["float", "product"])]
    .rename(columns={"bytes_per_user": "bytes_per_item"})
    .assign(row=["item-a", "item-b", "item-c", "item-d"])
)
NO_ITEMS = ITEMS.iloc[:0]
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "google-chrome"])), None)
NARROW = 380


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_holds_every_row() -> None:
    targets = data_of(render_page("sample", USERS, ITEMS, METRICS))["targets"]
    assert [row["row"] for row in targets["users"]] == list(USERS["row"])
    assert [row["bytes"] for row in targets["users"]] == list(USERS["bytes_per_user"])
    assert [row["ndcg@100"] for row in targets["items"]] == list(ITEMS["ndcg@100"])


def test_the_page_needs_no_other_address() -> None:
    page = render_page("sample", USERS, ITEMS, METRICS)
    assert set(re.findall(r"https?:[^\"'\s]*", page)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert not re.search(r"<script[^>]*\ssrc=", page)


def test_the_order_of_the_tables_lines_does_not_matter() -> None:
    assert render_page("sample", USERS[::-1], ITEMS[::-1], METRICS) == render_page("sample", USERS, ITEMS, METRICS)


def test_families_look_as_in_the_pictures() -> None:
    families = data_of(render_page("sample", USERS, NO_ITEMS, METRICS))["families"]
    assert {key: (family["name"], family["colour"]) for key, family in families.items()} == {
        key: (family.label, family.colour) for key, family in FAMILIES.items()
    }


def test_what_is_not_known_is_null() -> None:
    rows = {row["row"]: row for row in data_of(render_page("sample", USERS, NO_ITEMS, METRICS))["targets"]["users"]}
    assert rows["ease"]["kept"] is None
    assert rows["ease"]["variance_lost"] is None
    assert rows["dae"]["standing"] == ""


@pytest.mark.parametrize("harm", ["</script><b>", "<!--<script>"])
def test_names_cannot_end_the_data_or_write_elements(harm: str) -> None:
    page = render_page(harm, USERS.assign(row=harm), NO_ITEMS, METRICS)
    assert harm not in page
    assert {row["row"] for row in data_of(page)["targets"]["users"]} == {harm}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("neither chromium nor google-chrome is installed, and the page is tried in a real browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of users and items, opened as a file; what it complained of or fetched fails the test."""
    complaints: list[str] = []
    opened = browser.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url) if "page.html" not in request.url else None)
    show(opened, tmp_path, ITEMS)
    yield opened
    opened.close()
    assert [complaint for complaint in complaints if complaint != "data:,"] == []


def show(page: Page, folder: Path, items: pd.DataFrame, users: pd.DataFrame = USERS, title: str = "sample") -> None:
    (folder / "page.html").write_text(render_page(title, users, items, METRICS))
    page.goto((folder / "page.html").as_uri())


def points(page: Page) -> set[str]:
    return {str(point.get_attribute("data-row")) for point in page.locator(".point").all()}


def table_rows(page: Page) -> list[str]:
    return page.locator("tbody td:first-child").all_inner_texts()


def sort_by(page: Page, column: str) -> None:
    page.get_by_role("button", name=column).click()


def test_there_is_a_point_and_a_line_of_the_table_for_each_row(page: Page) -> None:
    assert page.locator(".point").count() == len(USERS)
    assert points(page) == set(USERS["row"])
    assert table_rows(page) == list(USERS["row"])
    assert f"{len(USERS)} of {len(USERS)} rows shown" in page.locator("#count").inner_text()


def test_codes_that_are_chosen_by_scores_have_a_dot_in_their_mark(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, NO_ITEMS, USERS.assign(nearest_twin=(USERS["row"] == "dae-pq").map({True: "pq", False: ""})))
    assert [dot.get_attribute("data-row") for dot in page.locator(".point:has(.dot)").all()] == ["dae-pq"]


def test_a_family_that_is_not_ticked_is_neither_drawn_nor_tabulated(page: Page) -> None:
    others = USERS.loc[USERS["family"] != "product", "row"]
    page.get_by_label(FAMILIES["product"].label).uncheck()
    assert points(page) == set(others)
    assert table_rows(page) == list(others)
    assert f"{len(others)} of {len(USERS)} rows shown" in page.locator("#count").inner_text()
    page.get_by_label(FAMILIES["product"].label).check()
    assert points(page) == set(USERS["row"])


def test_nothing_breaks_when_no_family_is_ticked(page: Page) -> None:
    for box in page.locator("#families input").all():
        box.uncheck()
    assert points(page) == set()
    assert table_rows(page) == []


def test_the_axes_follow_the_families_shown(page: Page) -> None:
    most = page.locator("#plot text", has_text=f"{USERS['bytes_per_user'].max():,.0f}")
    assert most.count() == 1
    page.get_by_label(FAMILIES["float"].label).uncheck()
    assert most.count() == 0


@pytest.mark.parametrize("way", ["focus", "hover"])
def test_a_point_tells_its_numbers(page: Page, way: str) -> None:
    row = USERS.set_index("row").loc["pq-vae"]
    point = page.locator('.point[data-row="pq-vae"]')
    assert page.locator("#tooltip").is_hidden()
    point.focus() if way == "focus" else point.locator(".marker").hover(force=True)
    told = page.locator("#tooltip").inner_text()
    kept = f"{row['kept'] * 100:.1f} % ({row['kept_low'] * 100:.1f} to {row['kept_high'] * 100:.1f})"
    difference = "−0.0070 (−0.0270 to +0.0030)"
    above = f"{row['above_popularity'] * 100:.1f} %"
    for expected in ["pq-vae", "NDCG@100\n0.4030", difference, kept, above, "● front", "40 codes of 8 bits"]:
        assert expected in told
    for expected in ["Luck@7\n0.7000", "variance lost\n5.0 %"]:
        assert expected in told
    assert kept in str(point.get_attribute("aria-label"))
    assert "pq-vae" in page.locator("tr.marked").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#tooltip").is_hidden()


def test_tab_goes_from_point_to_point_along_the_axis(page: Page) -> None:
    page.locator("#families input").last.focus()
    told = []
    for _ in range(3):
        page.keyboard.press("Tab")
        told.append(page.locator("#tooltip strong").inner_text())
    assert told == ["popularity", "dae-tree", "dae-pq"]


def test_pointing_at_a_line_of_the_table_marks_its_point(page: Page) -> None:
    page.locator('tbody tr[data-row="dae-tree"]').hover()
    point = page.locator('.point[data-row="dae-tree"]')
    assert page.locator("#highlight").get_attribute("transform") == point.get_attribute("transform")
    assert page.locator("#highlight circle").count() == 1


def test_a_bar_is_the_interval_of_the_difference_from_the_float_model_on(page: Page) -> None:
    heights = {
        name: float(re.search(r"translate\(\S+ (\S+)\)", str(point.get_attribute("transform")))[1])  # type: ignore[index]
        for name in ("dae", "pq-vae", "dae-tree")
        for point in [page.locator(f'.point[data-row="{name}"]')]
    }
    per_ndcg = (heights["dae-tree"] - heights["dae"]) / (0.41 - 0.3)  # pixels
    bar = str(page.locator('.point[data-row="pq-vae"] .bar').get_attribute("d"))
    low, high = map(float, re.findall(r"-?[\d.]+", bar)[1:])
    assert low == pytest.approx((0.403 - (0.41 - 0.027)) * per_ndcg, abs=0.01)
    assert high == pytest.approx((0.403 - (0.41 + 0.003)) * per_ndcg, abs=0.01)
    assert page.locator('.point[data-row="dae"] .bar').get_attribute("d") == "M0 0V0"


def test_the_float_model_of_a_row_is_a_line_through_its_own_point(page: Page) -> None:
    page.locator('.point[data-row="dae-pq"]').focus()
    line = page.locator("#highlight .twin").bounding_box()
    model = page.locator('.point[data-row="dae"] .marker').bounding_box()
    assert line
    assert model
    assert line["y"] == pytest.approx(model["y"] + model["height"] / 2, abs=1)
    assert line["width"] > 500


def test_a_row_without_a_float_model_has_no_line(page: Page) -> None:
    page.locator('.point[data-row="ease"]').focus()
    assert page.locator("#highlight .twin").get_attribute("d") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_marker_shows_on_its_ground(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = map(int, re.findall(r"\d+", ground))
    assert (red + green + blue > 600) == (scheme == "light")
    assert ground not in {
        point.evaluate("node => getComputedStyle(node).fill") for point in page.locator(".marker").all()
    }


def test_the_switch_shows_items(page: Page) -> None:
    page.get_by_role("radio", name="items").check()
    assert points(page) == set(ITEMS["row"])
    assert table_rows(page) == list(ITEMS["row"])
    assert page.get_by_role("button", name="bytes per item").is_visible()
    assert page.locator("#families input").count() == ITEMS["family"].nunique()


def test_the_switch_says_why_it_cannot_show_items(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, NO_ITEMS)
    assert page.get_by_role("radio", name="items (not measured here)").is_disabled()


def test_a_click_on_a_column_sorts_by_it_and_a_second_one_turns_it(page: Page) -> None:
    sort_by(page, "NDCG@100")
    falling = USERS.sort_values("ndcg@100", ascending=False, kind="stable")["row"]
    assert table_rows(page) == list(falling)
    sort_by(page, "NDCG@100")
    assert table_rows(page) == list(USERS.sort_values("ndcg@100", kind="stable")["row"])
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_a_metric_that_the_page_never_heard_of_can_be_sorted_by(page: Page) -> None:
    sort_by(page, "Luck@7")
    assert table_rows(page) == list(USERS.sort_values("luck@7", ascending=False, kind="stable")["row"])
    assert page.evaluate("document.activeElement.dataset.key") == "luck@7"


def test_what_is_not_known_is_sorted_last_either_way(page: Page) -> None:
    unknown = set(USERS.loc[USERS["kept"].isna(), "row"])
    for _ in range(2):
        sort_by(page, "kept of float")
        assert set(table_rows(page)[-len(unknown) :]) == unknown


@pytest.mark.parametrize("title", ["sample", "a" * 400])
def test_the_page_itself_is_never_wider_than_the_window(page: Page, tmp_path: Path, title: str) -> None:
    show(page, tmp_path, ITEMS, title=title)
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.locator('.point[data-row="dae-pq"]').focus()
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW
    assert page.locator(".point").count() == len(USERS)


@pytest.mark.parametrize(
    "name",
    [
        "</script><b>bold</b><!--<script>",
        '"><b onclick="alert(1)"><img src=x onerror=alert(1)>',
        "'); alert(1); ('\\",
        "&lt;b&gt; &amp;",
        "{{ 7 * 7 }} {% raw %}",
        "]]> `${alert(1)}` $&",
    ],
)
def test_names_with_markup_are_shown_as_they_are(page: Page, tmp_path: Path, name: str) -> None:
    show(page, tmp_path, NO_ITEMS, USERS.head(1).assign(row=name), title=name)
    assert table_rows(page) == [name]
    assert page.locator("h1").text_content() == page.title() == f"Bytes against NDCG@100: {name}"
    assert page.locator("b, img").count() == 0
    point = page.locator(".point")
    point.focus()
    assert page.locator("#tooltip strong").text_content() == point.get_attribute("data-row") == name
