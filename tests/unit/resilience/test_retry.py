"""Retries wait for random times and stay within a budget."""

from hypothesis import given
from hypothesis import strategies as st

from marketplace_runtime.resilience import RetryBudget, full_jitter


@given(
    attempt=st.integers(min_value=-1, max_value=10**6),
    base_s=st.floats(min_value=0.001, max_value=10),
    cap_s=st.floats(min_value=0.001, max_value=100),
)
def test_a_wait_is_between_zero_and_the_capped_exponential(attempt: int, base_s: float, cap_s: float) -> None:
    highest = min(cap_s, base_s * 2.0 ** min(max(attempt - 1, 0), 60))
    assert 0 <= full_jitter(attempt, base_s, cap_s) <= highest


def test_waits_are_spread_over_the_whole_range() -> None:
    waits = sorted(full_jitter(3, 0.25, 15.0) for _ in range(2000))
    assert waits[0] < 0.05
    assert waits[-1] > 0.95
    assert 0.45 < sum(waits) / len(waits) < 0.55


def test_a_few_retries_are_free_and_each_other_one_needs_five_requests() -> None:
    budget = RetryBudget("test", ratio=0.2, initial_tokens=3)
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]
    for _ in range(4):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()


@given(st.lists(st.booleans(), max_size=500))
def test_retries_never_exceed_their_share(requests_and_retries: list[bool]) -> None:
    budget = RetryBudget("test", ratio=0.2, initial_tokens=3)
    requests = retries = 0
    for is_request in requests_and_retries:
        if is_request:
            budget.deposit()
            requests += 1
        else:
            retries += budget.withdraw()
    assert retries <= 3 + 0.2 * requests + 1e-6


def test_the_saved_budget_is_limited() -> None:
    budget = RetryBudget("test", ratio=1.0, max_tokens=10)
    for _ in range(1000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(100)) == 10
