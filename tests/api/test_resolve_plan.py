"""The plan of `Client.resolve`: the number of requests is bounded, whatever a listing contains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ev_energy._api.resolve_plan import PAGE_SIZE, SLACK, Progress, ResolvePlan


def requests_of(plan: ResolvePlan, pages: list[list[str]]) -> int:
    """Carry *plan* out on a listing, and return the number of requests."""
    count = 0
    while plan.wants_page:
        plan.record_page(pages[count], is_last=count + 1 == len(pages))
        count += 1
    return count + len(plan.missing)


def best_in_hindsight(wanted: set[str], pages: list[list[str]]) -> int:
    """Return the smallest number of requests for any number of pages, the listing known."""
    missing, costs = set(wanted), [len(wanted)]
    for number, page in enumerate(pages, 1):
        missing -= set(page)
        costs.append(number + len(missing))
    return min(costs)


#: Pages with the numbers of the wanted resources that each holds.
PAGES = st.lists(st.integers(0, 6), min_size=1, max_size=60)


@settings(max_examples=300)
@given(PAGES, st.integers(0, 40))
def test_plan_costs_at_most_twice_the_best_choice(hits: list[int], unlisted: int) -> None:
    pages = [[f"{page}-{n}" for n in range(count)] for page, count in enumerate(hits)]
    wanted = {id_ for page in pages for id_ in page} | {f"gone-{n}" for n in range(unlisted)}
    plan = ResolvePlan(wanted, has_listing=True)
    at_least, at_most = plan.at_least, plan.at_most
    spent = requests_of(plan, pages)
    assert spent <= 2 * best_in_hindsight(wanted, pages) + SLACK
    assert at_least <= spent <= at_most


@given(PAGES, st.integers(0, 40), st.integers(1, 60))
def test_bounds_hold_after_each_page(hits: list[int], unlisted: int, steps: int) -> None:
    pages = [[f"{page}-{n}" for n in range(count)] for page, count in enumerate(hits)]
    wanted = {id_ for page in pages for id_ in page} | {f"gone-{n}" for n in range(unlisted)}
    plan = ResolvePlan(wanted, has_listing=True)
    for number, page in enumerate(pages[:steps]):
        if not plan.wants_page:
            break
        plan.record_page(page, is_last=number + 1 == len(pages))
    at_least, at_most, rest = plan.at_least, plan.at_most, pages[min(steps, len(pages)) :]
    if plan.wants_page:
        assert at_least <= requests_of(plan, rest) <= at_most
    else:
        assert at_least == at_most == len(plan.missing)


def test_worst_case_is_as_many_pages_as_resources_none_of_which_they_show() -> None:
    plan = ResolvePlan(map(str, range(10)), has_listing=True)
    bounds = [plan.at_most]
    while plan.wants_page:
        plan.record_page([], is_last=False)
        bounds.append(plan.at_most)
    assert bounds == [20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10]


def test_whole_fleet_is_listed() -> None:
    ids = [str(n) for n in range(5000)]
    pages = [ids[start : start + PAGE_SIZE] for start in range(0, 5000, PAGE_SIZE)]
    plan = ResolvePlan(ids, has_listing=True)
    assert plan.at_least == 50
    assert requests_of(plan, pages) == 50


def test_single_resource_is_got_without_a_listing() -> None:
    assert not ResolvePlan(["one"], has_listing=True).wants_page


@pytest.mark.parametrize("step", [5, 25, 50])
def test_part_of_a_fleet_that_pages_keep_showing_is_listed_to_the_end(step: int) -> None:
    ids = [str(n) for n in range(5000)]
    pages = [ids[start : start + PAGE_SIZE] for start in range(0, 5000, PAGE_SIZE)]
    assert requests_of(ResolvePlan(ids[::step], has_listing=True), pages) == 50


def test_listing_that_stops_showing_anything_is_left_soon() -> None:
    ids = [str(n) for n in range(200)]
    pages = [*(ids[start : start + 5] for start in range(0, 150, 5)), *[[]] * 100]
    plan = ResolvePlan(ids, has_listing=True)
    assert requests_of(plan, pages) <= 2 * (30 + 50) + SLACK
    assert requests_of(ResolvePlan(["1", "2"], has_listing=True), [[]] * 50) == 4


def test_few_resources_of_a_large_fleet_cost_less_than_its_listing() -> None:
    ids = [str(n) for n in range(5000)]
    pages = [ids[start : start + PAGE_SIZE] for start in range(0, 5000, PAGE_SIZE)]
    assert requests_of(ResolvePlan(ids[::250], has_listing=True), pages) <= 30  # 20 resources


def test_plan_without_a_listing_gets_each() -> None:
    plan = ResolvePlan(map(str, range(300)), has_listing=False)
    assert (plan.wants_page, plan.at_least, plan.at_most) == (False, 300, 300)


@settings(max_examples=300)
@given(PAGES, st.integers(0, 40), st.lists(st.integers(0, 20), max_size=5), st.integers(1, 30))
def test_bound_holds_for_plans_that_continue_one_another(
    hits: list[int], unlisted: int, steps: list[int], max_pages: int
) -> None:
    pages = [[f"{page}-{n}" for n in range(count)] for page, count in enumerate(hits)]
    wanted = {id_ for page in pages for id_ in page} | {f"gone-{n}" for n in range(unlisted)}
    missing, progress, spent = wanted, Progress(), 0
    for step in (*steps, None):
        plan = ResolvePlan(missing, has_listing=True, max_pages=max_pages, progress=progress)
        at_least, at_most, before = plan.at_least, plan.at_most, spent
        while plan.wants_page and (step is None or spent - before < step):
            plan.record_page(pages[spent], is_last=spent + 1 == len(pages))
            spent += 1
        missing, progress = {*plan.missing}, plan.progress
        if step is None or not plan.wants_page:
            break
    assert spent <= max_pages
    assert at_least <= spent - before + len(missing) <= at_most
    assert spent + len(missing) <= 2 * best_in_hindsight(wanted, pages[:max_pages]) + SLACK


def test_listing_that_ended_is_not_read_again() -> None:
    plan = ResolvePlan(map(str, range(30)), has_listing=True)
    plan.record_page([], is_last=False)
    plan.end_listing()
    resumed = ResolvePlan(map(str, range(9)), has_listing=True, progress=plan.progress)
    assert (resumed.wants_page, resumed.at_most) == (False, 9)


def test_listing_without_pages_may_take_one_request() -> None:
    assert ResolvePlan(map(str, range(300)), has_listing=True, page_size=None).at_least == 1
