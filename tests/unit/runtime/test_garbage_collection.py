"""What a process keeps for its life is not looked at by the collector."""

import gc

from marketplace_runtime.service.garbage_collection import settle_heap


def test_what_is_there_is_left_alone_and_cycles_made_later_are_still_found():
    thresholds = gc.get_threshold()
    try:
        settle_heap()
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
        cycle: list[object] = []
        cycle.append(cycle)
        del cycle
        assert gc.collect() >= 1
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
