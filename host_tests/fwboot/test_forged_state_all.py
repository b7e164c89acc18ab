"""The forged states of test_forged_state.py, all of them: a hundred thousand, on CPython."""

import pytest

from forged_state import real_key, run

LONG = True
EACH = 5000


@pytest.mark.parametrize("part", range(20))
def test_forged_states(part):
    assert run(range(part * EACH, (part + 1) * EACH)) == EACH


def test_forged_states_with_a_real_key():
    assert run(range(200000, 201000), *real_key()) == 1000
