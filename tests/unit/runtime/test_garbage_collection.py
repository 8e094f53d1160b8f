"""Objects that live as long as the process are excluded from garbage collection."""

import gc

from marketplace_runtime.service.garbage_collection import freeze_heap


def test_existing_objects_are_frozen_and_later_cycles_are_still_collected():
    thresholds = gc.get_threshold()
    try:
        freeze_heap()
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
