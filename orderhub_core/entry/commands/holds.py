"""`orderhub holds`: orders that are kept from their warehouse until a person lets them go, and words on them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from orderhub_core import hub
from orderhub_core.entry.options import AsJson, By, dated, spoken, tell, tr, who, written
from orderhub_core.health.holds import reasons
from orderhub_core.names import Names
from orderhub_core.store.aside import Held
from orderhub_core.story import keeping

app = typer.Typer(no_args_is_help=True)
Shop = Annotated[str | None, typer.Option(help="Only orders of this shop.")]


@app.command("list")
@spoken
def listed(shop: Shop = None, as_json: AsJson = False) -> int:
    """What waits for a person, the oldest first: which order, for which target, since when, and why; and what somebody
    keeps back of which nothing is to be handed over, at least not yet."""
    opened = hub.Hub(hub.home())
    if shop is not None:
        opened.holds.check_shop(shop)
    found, zone = [*opened.holds.kept(shop=shop), *opened.holds.unsent(shop=shop)], ZoneInfo(opened.settings.time_zone)
    told = [dated(one._asdict(), zone) for one in found]
    tell({"held": told}, _told(found, zone, Names(opened.settings, tr)), as_json=as_json)
    return 1 if found else 0


def _told(found: list[Held], zone: ZoneInfo, names: Names) -> str:
    if not found:
        return tr("nothing waits for a person")
    lines = []
    for one in found:
        tried = tr(", tried {tries} times").format(tries=one.tries) if one.tries and not one.done else ""
        of = tr(" parcel {parcel} of {parcels}").format(parcel=one.parcel, parcels=one.parcels) if one.parcel else ""
        text = tr("{order}  to {target} since {since}") if one.target else tr("{order}  since {since}")
        order, target = f"{names.typed('shop', one.shop)} {one.order_no}{of}", names("target", one.target)
        lines.append(text.format(order=order, target=target, since=written(one.since, zone)) + tried)
        lines.append(f"  {reasons(one.note, tr, names)}")
    if any(not one.tries for one in found):
        lines.append(tr("`orderhub holds release NO --reason TEXT` lets one go that was not tried yet"))
    if any(one.tries and not one.done for one in found):
        text = "`orderhub holds release NO --again --reason TEXT` hands over once more, by its key, what was tried"
        lines.append(tr(text))
    return "\n".join([*lines, tr("`orderhub holds close NO --reason TEXT` ends what you have seen to")])


Number = Annotated[str, typer.Argument(help="The order's number.")]
Whose = Annotated[str | None, typer.Option("--shop", help="Its shop, where several have such an order.")]
Parcel = Annotated[int, typer.Option(min=0, help="Only this one of its parcels.")]


@app.command()
@spoken
def place(
    order_no: Number,
    reason: Annotated[str, typer.Option(help="Why it must wait; the log keeps it, so name no customer.")],
    shop: Whose = None,
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Keep an order from its warehouse until a person lets it go, whatever rules say; also one that is not paid yet. Of
    what was handed over already it says that it must be stopped there."""
    opened = hub.Hub(hub.home())
    placed = opened.holds.place(order_no, shop=shop, reason=reason, by=who(by))
    found = placed._asdict() | {"held": [one._asdict() for one in placed.held]}
    told = keeping.told(placed, tr, Names(opened.settings, tr))
    tell(found, "\n".join(told), as_json=as_json)
    return 0


@app.command()
@spoken
def release(
    order_no: Number,
    reason: Annotated[str, typer.Option(help="Why it may go; the log keeps it.")],
    shop: Whose = None,
    parcel: Parcel = 0,
    again: Annotated[bool, typer.Option("--again", help="Also if it was tried: under the same key once more.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Let an order go to its warehouse. What is learnt of it later, a refund for example, may keep it back again. What
    was handed over already is left as it is."""
    opened = hub.Hub(hub.home())
    held = opened.holds.release(order_no, shop=shop, parcel=parcel, reason=reason, by=who(by), again=again)
    stays = tr("{order} stays with {target}; it was looked at because: {why}")
    text = (
        stays
        if held.done
        else tr("{order} goes to {target}; it was kept back: {why}")
        if held.target
        else tr(keeping.ENDED)
    )
    return _said(held, parcel, text, Names(opened.settings, tr), as_json)


@app.command()
@spoken
def close(
    order_no: Number,
    reason: Annotated[str, typer.Option(help="What was done about it; the log keeps it.")],
    shop: Whose = None,
    parcel: Parcel = 0,
    by: By = None,
    as_json: AsJson = False,
) -> int:
    """Say that you have seen to an order: handed it over, or stopped it there, by hand. The hub sends it no more."""
    opened = hub.Hub(hub.home())
    held = opened.holds.close(order_no, shop=shop, parcel=parcel, reason=reason, by=who(by))
    text = tr("{order} goes to {target} no more by the hub; it was kept back: {why}")
    return _said(held, parcel, text, Names(opened.settings, tr), as_json)


def _said(held: Held, parcel: int, text: str, names: Names, as_json: bool) -> int:
    of = tr(" parcel {parcel}").format(parcel=parcel) if parcel else ""
    order, target = f"{names('shop', held.shop)} {held.order_no}{of}", names("target", held.target)
    told = text.format(order=order, target=target, why=reasons(held.note, tr, names))
    tell(held._asdict(), told, as_json=as_json)
    return 0
