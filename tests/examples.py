"""How many examples a Hypothesis test tries."""

import os

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
FEWEST = 10

settings.register_profile(THOROUGH, derandomize="CI" in os.environ)  # in CI the same examples in every run
settings.register_profile(QUICK, settings.get_profile(THOROUGH), max_examples=25)


def examples(thorough: int) -> int:
    """Return `thorough` under `--all`, and otherwise a tenth of it but at least ten or `thorough` if that is less.

    The profile is loaded before test modules are imported, so that decorators may use this.
    """
    if settings.get_current_profile_name() == THOROUGH:
        return thorough
    return min(thorough, max(FEWEST, thorough // 10))
