"""Keyed hashes: the same person is found however the number is written, and nobody without the key can guess."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from orderhub_core import pseudonym
from orderhub_core.errors import UserMistake
from orderhub_core.pseudonym import Pseudonyms

OURS, OTHERS = Pseudonyms(b"one pepper of length"), Pseudonyms(b"another pepper, long")


@pytest.mark.parametrize("written", ["19900001234", "199 0000 1234", "+86 199-0000-1234", "１９９００００１２３４"])
def test_one_number_has_one_hash(written):
    assert OURS.phone(written) == OURS.phone("19900001234")
    assert OURS.phone(written) != OURS.phone("19900001235")
    assert OURS.phone(written) != OTHERS.phone(written)


@pytest.mark.parametrize("masked", ["1********34", "199****1234", "", "none", "123"])
def test_a_masked_or_missing_number_has_none(masked):
    assert OURS.phone(masked) == ""


def test_a_buyer_is_the_same_in_one_shop_only():
    assert OURS.buyer("a", "x") == OURS.buyer("a", "x") != OURS.buyer("b", "x")
    assert OURS.buyer("a", "") == ""


@pytest.mark.parametrize("written", ["文三路1-12号", "文三路 1-12 号", "文三路１－１２号", "文三路, 1 — 12号"])
def test_one_address_has_one_pseudonym_however_it_is_spaced(written):
    assert OURS.address(written) == OURS.address("文三路1-12号")
    assert OURS.address(written) not in (OURS.address("文三路11-2号"), OURS.address("文三路112号"), "")
    assert OURS.address(written) not in (OTHERS.address(written), OURS.receiver(written))


@pytest.mark.parametrize("masked", ["文三路***", "王*", "王＊", "", "  ", "——"])
def test_a_masked_or_missing_name_or_address_has_none(masked):
    assert (OURS.address(masked), OURS.receiver(masked)) == ("", "")


def test_the_key_is_made_once_even_by_many_at_once_and_is_its_owners_alone(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: pseudonym.load(tmp_path, {}).phone("19900001234"), range(16)))
    assert len(set(made)) == 1
    assert stat.S_IMODE((tmp_path / "pepper.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["pepper.key"]


def test_a_short_key_is_refused():
    with pytest.raises(UserMistake, match="16"):
        pseudonym.load(None, {"ORDERHUB_PEPPER": "short"})
