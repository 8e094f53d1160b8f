"""Sets the number of examples that a Hypothesis test tries."""

import os

from hypothesis import settings

QUICK, THOROUGH = "quick", "thorough"
FEWEST = 10

settings.register_profile(THOROUGH, derandomize="CI" in os.environ)  # every run in CI tries the same examples
settings.register_profile(QUICK, settings.get_profile(THOROUGH), max_examples=25)


def examples(thorough: int) -> int:
    """Return `thorough` under `--all`. Otherwise return a tenth of it, but at least ten, and at most `thorough`.

    Decorators may call this, since the profile is loaded before test modules are imported.
    """
    if settings.get_current_profile_name() == THOROUGH:
        return thorough
    return min(thorough, max(FEWEST, thorough // 10))
