"""A share of `make fuzz`, and payloads like these on MicroPython: its inflater is another."""

import pytest

import fuzz_decoders
from decoders_kit import CODES, FUZZED
from helpers import here
from ufota.decoders import errors

LONG = (
    "test_changed_payloads_end_in_a_number_or_an_image",
    "test_so_they_do_on_micropython",
)
COUNT = 80_000
FEW = 4_000  # of them for `make test`
COUNT_MICROPYTHON = 5_000


@pytest.mark.parametrize("name", FUZZED)
def test_changed_payloads_end_in_a_number_or_an_image(name):
    found = fuzz_decoders.fuzz(name, COUNT)
    assert sum(found.values()) == COUNT
    wanted = {None, errors.BAD_STREAM, errors.STREAM_CUT, errors.TOO_MUCH}
    assert wanted <= set(found) <= CODES | {None}


@pytest.mark.parametrize("name", FUZZED)
def test_few_changed_payloads_end_in_a_number_or_an_image(name):
    found = fuzz_decoders.fuzz(name, FEW)
    assert sum(found.values()) == FEW
    assert set(found) <= CODES | {None}


@pytest.mark.parametrize("name", FUZZED)
def test_so_they_do_on_micropython(name, tmp_path, micropython):
    lines = [data.hex() + "\n" for data in fuzz_decoders.payloads(name, COUNT_MICROPYTHON)]
    (tmp_path / "payloads").write_text("".join(lines))
    done = micropython(here("ufota/decoders/decoders_driver.py"), name, tmp_path / "payloads")
    assert done.stdout == f"{COUNT_MICROPYTHON} ended\n", done.stdout[-2000:] + done.stderr
