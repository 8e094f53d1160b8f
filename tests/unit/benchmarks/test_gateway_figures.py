"""The figures of `bench gateway` are judged against their targets."""

from typing import Any

import pytest

from tests.benchmarks.gateway import GatewayFigures


def figures(**changed: Any) -> GatewayFigures:
    usual: dict[str, Any] = {
        "direct_p50_ms": [2.0] * 6,
        "gateway_p50_ms": [2.5] * 6,
        "quiet_p99_ms": [5.0, 5.0, 5.0],
        "flooded_p99_ms": [5.0, 6.0, 50.0],
        "memory_mb": 75.0,
        "flood_limited": 1,
    }
    return GatewayFigures(**{**usual, **changed})


def test_usual_figures_meet_every_target() -> None:
    assert all(figures().targets().values())
    assert figures().overhead.value == 0.5
    assert figures().to_json()["flood_ratio"] == 1.2


@pytest.mark.parametrize(
    "changed",
    [
        {"gateway_p50_ms": [4.1] * 6},
        {"memory_mb": 121.0},
        {"flood_limited": 0},
        {"others_limited": 1},
        {"flooded_p99_ms": [5.0, 6.3, 6.3]},
    ],
    ids=str,
)
def test_each_target_can_be_missed(changed: dict[str, object]) -> None:
    assert list(figures(**changed).targets().values()).count(False) == 1
