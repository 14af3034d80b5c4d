"""In a storm on both sides nothing is lost, doubled, or called done that is not. `make faults` has the long ones."""

from __future__ import annotations

from collections.abc import Iterator

import network
import pytest

pytestmark = [pytest.mark.faults, pytest.mark.server]


@pytest.fixture(scope="module")
def zygote() -> Iterator[network.Zygote]:
    started = network.Zygote()
    yield started
    started.close()


def test_nothing_is_lost_in_a_storm(zygote: network.Zygote) -> None:
    report = network.run(10, 1, zygote=zygote)
    assert report.fine, str(report)
    assert report.acknowledged > 50
    assert report.tally.total() > 100


# Its servers are stopped with connections open, and a busy machine may have had no time to close them. As warnings are
# errors here, who warns of that does not get to close the socket, which warns in its turn.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function _SelectorTransport.__del__")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket fd=")
@pytest.mark.parametrize("name", network.CONTROLS)
def test_the_broken_product_is_caught(zygote: network.Zygote, name: str) -> None:
    broken, told = network.CONTROLS[name]
    report = network.run(8, 1, broken, zygote)
    assert any(told in line for line in report.broken), str(report)
