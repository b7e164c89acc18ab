"""A fleet in an outage (outage.py): nobody reverts, all are updated, and nobody hammers.

Then fleets with planted bugs, which must be found.
"""

import pytest

from outage import CROWDED, DOWN_S, HOUR_S, REVERTED, Fleet, story
from outage_services import SERVICES
from ufota import loop
from ufota_testkit.virtual_clock import middle

LONG = ("test_a_fleet_lives_through_the_outage",)

EVERY_SERVICE = pytest.mark.parametrize("kind", SERVICES)


def fleet(kind, devices, **how):
    return Fleet(kind, [story(kind, number, **how) for number in range(devices)])


@EVERY_SERVICE
def test_a_few_devices_live_through_the_outage(kind):
    found = fleet(kind, 4)
    assert not found.wrongs()
    assert found.late_s  # one was to wait, at least


@EVERY_SERVICE
def test_a_fleet_lives_through_the_outage(kind):
    devices = 60
    found = fleet(kind, devices)
    assert not found.wrongs()
    assert found.torn > devices / 5  # power went in the middle of a flash operation
    assert devices / 4 < len(found.late_s) < devices * 3 / 4  # the others were on trial


@EVERY_SERVICE
def test_without_jitter_all_come_in_the_same_second(kind):
    soon = {"devices": 16, "end_s": DOWN_S[0] + 2 * HOUR_S}  # two of the power failures are over
    assert CROWDED not in fleet(kind, **soon).wrongs()
    assert CROWDED in fleet(kind, bits=middle, **soon).wrongs()


def test_a_health_check_only_while_the_source_goes_on_takes_good_images_back(monkeypatch):
    class Rounds(loop._Rounds):
        def check(self):
            if not self._failed._counts:
                super().check()

    monkeypatch.setattr(loop, "_Rounds", Rounds)
    assert REVERTED in fleet("hawkBit", 3).wrongs()


@pytest.mark.parametrize("kind", ("plain HTTP", "hawkBit"))
def test_without_a_health_check_a_server_that_is_down_takes_images_back(kind):
    assert REVERTED in fleet(kind, 3, asks=False).wrongs()
