"""A hub's flows over a real store, with messages made by hand."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import msgspec
import pytest
from small_shop import BOOK, SHOP, source

from orderhub_core.flows import absorb
from orderhub_core.flows.context import Context
from orderhub_core.model import Content, Event, Line, Observation, Person, RawMessage
from orderhub_core.pseudonym import Pseudonyms
from orderhub_core.store import homes
from orderhub_core.store.base import Store
from orderhub_core.store.homes import Home


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    opened = homes.open_store(home)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def unbroken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A batch that fails is tried in halves, down to the message whose fault it is: that must hide no fault of ours."""
    broken: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(absorb.log, "warning", lambda _, **told: broken.append(str(told)), raising=False)
        yield
    assert not broken or request.node.get_closest_marker("breaks"), broken


@pytest.fixture
def context(store: Store) -> Context:
    return Context(store, source, BOOK, Pseudonyms(b"a pepper of some length"))


@pytest.fixture
def order() -> Callable[..., RawMessage]:
    """A message that claims events of an order: `order("A1", Event.PAID, at=5)`."""

    def make(
        order_no: str,
        *events: Event,
        at: int = 1,
        total: int = 0,
        category: str = "卫衣",
        quantity: int = 1,
        origin: str = SHOP,
        **rest: object,
    ) -> RawMessage:
        content = None
        if total:
            content = Content(
                total_minor=total,
                paid_minor=total,
                buyer_ref="buyer",
                lines=(Line(1, "SKU-1", "name", category, quantity, total),),
                person=Person("张三丰", "19900001234", "somewhere 5"),
            )
        seen = Observation(order_no, {event.value: at for event in events}, at, content, **rest)  # type: ignore[arg-type]
        body = msgspec.json.encode(seen)
        return RawMessage(origin, f"{order_no}:{zlib.crc32(body)}", "order", body)

    return make
