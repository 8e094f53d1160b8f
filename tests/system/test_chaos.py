"""Overlapping faults under traffic, from the command line; the audit passes, and fails after a planted violation.

`conftest.py` runs this before all other tests of the shared stack, since an audit would report their forgeries.
"""

import pytest

from infra.lab.audit import INVARIANTS
from tests.frozen import key_paths, require_unchanged
from tests.system.chaos import chaos, require_nothing_lost
from tests.system.marketplace import Marketplace
from tests.system.planted_violations import a_delivered_order, a_doubled_charge, audited


@pytest.mark.timeout(400)
def test_some_seeded_faults_lose_nothing(marketplace: Marketplace) -> None:
    found = chaos(marketplace, "random", "--seed", "5", "--duration", "10", "--rate", "8")
    require_nothing_lost(marketplace, found, accepted=20, faults=2)
    require_unchanged("json-chaos", sorted(key_paths(found)))


async def test_a_doubled_charge_is_found(marketplace: Marketplace) -> None:
    async with a_doubled_charge(marketplace, await a_delivered_order(marketplace)):
        found = await audited(marketplace)
    assert {violation.invariant for violation in found.violations} == {"captured-is-owed", "never-charged-twice"}
    assert (found.verdict, found.unknown) == ("fail", ())
    assert set(found.checked) == {invariant.id for invariant in INVARIANTS}
