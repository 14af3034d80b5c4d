# /// script
# [tool.orderhub]
# title = "Order details"
# description = "Where does this order stand, what happened to it, who said so, and what is still to be done?"
# glyph = "order"
# position = 4
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Order details", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    from zoneinfo import ZoneInfo

    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.story import keeping, page


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    top = (tr("Order details"), tr(page.ABOUT), lang)
    with ui.readable(*top):
        connected = hub.connect()
    zone, named = ZoneInfo(connected.settings.time_zone), names.Names(connected.settings, tr)
    _keep = lambda said: mo.query_params().set("order", said.strip())  # noqa: E731
    _first = next(iter(ui.asked("order")), "")
    asked = mo.ui.text(value=_first, label=tr(page.ASK), full_width=True, on_change=_keep)
    look = mo.ui.button(label=tr("Look"), full_width=True)
    came, set_came = mo.state((), allow_self_loops=True)
    return asked, came, connected, look, named, set_came, top, tr, zone


@app.cell
def _(asked, came, connected, look, named, set_came, top, tr, zone):
    look.value
    _number, _how = asked.value.strip(), (zone, tr, named)

    def _decide(order, own) -> list:
        if not connected.writable:
            return []
        number, desk = order["order_id"], connected.holds
        told = ui.notes(came()[1] if came() and came()[0] == number else [])
        held = desk.kept(shop=order["shop"], order_no=order["order_no"])
        asks = keeping.asks(order, held, tr, kept=page.is_kept(own))
        if not asks.choices:
            return [told]
        # Where there is but one thing to say, its button says it.
        only = {} if len(asks.choices) > 1 else {"do": next(iter(asks.choices.values()))}
        words = {name: mo.ui.text(label=text, full_width=True) for name, text in asks.words.items()}
        fields = words if only else {"do": mo.ui.radio(asks.choices, label=asks.title), **words}
        act = lambda to: set_came((number, keeping.carried_out(only | to, order, held, desk, tr, named)))  # noqa: E731
        form = ui.form(fields, asks.button, act, lambda to: keeping.lacks(only | to, tr), "260px")
        return [ui.section(asks.title, form, told)]

    def _one(order, own) -> list:
        todo, life = page.todo(own, *_how), page.table(own, *_how)
        rest = [ui.notes(todo or [page.nothing(order, own, tr, knows=connected.writable)])]
        if page.is_asked(own):
            rest += [ui.note(tr(page.ASKED), "warn"), ui.link(tr("Order health"), "health")]
        story = ui.timeline(tr("What happened"), page.moments(own, *_how), tr("Nothing is known yet."))
        return [
            ui.section(page.title(order, tr, named), ui.kpis(page.tiles(order, *_how)), *rest),
            *_decide(order, own),
            ui.section(tr("Story"), story, ui.download_csv(life, "order.csv", tr("Download CSV"))),
            ui.section(tr("Lines"), ui.rows(page.bought(own, tr), tr("Nobody has told what is in it."))),
        ]

    def _parts() -> list:
        with ui.readable(*top):
            found = connected.story(_number)
        if found.orders.height:
            return [part for order, own in page.each(found) for part in _one(order, own)]
        links = [ui.link(text, "order", {"order": [number]}) for text, number in page.near(found, tr, named)]
        return [ui.notes(page.lost(found, _number, tr)), *links]

    _shown = _parts() if _number else [ui.note(tr(page.FIRST))]
    ui.page(*top, asked, look, *_shown)
    return


if __name__ == "__main__":
    app.run()
