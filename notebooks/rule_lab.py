# /// script
# [tool.orderhub]
# title = "Rule lab"
# description = "Try a draft of the rulebook on past orders: who goes elsewhere, what it costs, whose gift is lost."
# glyph = "rules"
# position = 5
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full", app_title="OrderHub · Rule lab", css_file="assets/console.css", html_head_file="assets/head.html"
)

with app.setup:
    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.charts import lab as charts
    from orderhub_core.charts import theme
    from orderhub_core.rules.lab import asking, board, forming, sections, tables, texts


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    top = (tr("Rule lab"), tr(texts.INTRO), lang)
    with ui.readable(*top):
        lab, named = hub.connect().lab, names.Names(hub.connect().settings, tr)
        periods = lab.periods()
    mo.stop(len(periods) == 1, ui.page(*top, ui.note(tr(texts.NO_ORDERS))))
    (pick, set_pick), (built, set_built), live = mo.state(board.ALL), mo.state(None), {}
    said, set_said = mo.state({}, allow_self_loops=True)  # what came of the forms, by form
    file = mo.ui.file(filetypes=[".toml"], label=tr("Or put a file in"), max_size=2_000_000)
    show = ui.showing(live, "lab", tr, lambda one, row: set_pick(board.of_row(one, row)))
    return built, file, lab, lang, live, named, periods, pick, said, set_built, set_pick, set_said, show, top, tr


@app.cell
def _(lab, periods, said, tr):
    said()
    against = mo.ui.dropdown(**board.against(lab.states(), tr), label=tr("Compare with"), full_width=True)
    span = mo.ui.dropdown(**board.spans(periods, tr), label=tr("Orders paid or accepted in"), full_width=True)
    return against, span


@app.cell
def _(file, lab, tr):
    start = mo.ui.dropdown(**board.starts(lab.states(), tr, file.name()), label=tr("Begin with"), full_width=True)
    return (start,)


@app.cell
def _(built, file, lab, lang, start, tr):
    begun = start.value, start.value == board.FILE and file.contents()
    _given, unread = forming.given(built(), begun) or lab.opened(start.value or "", file.contents(), lang)
    text = mo.ui.text_area(_given, rows=14, label=tr("The draft"), full_width=True)
    return begun, text, unread


@app.cell
def _(begun, built, file, lang, set_built, start, text, top, tr):
    _form, _write = forming.Form(begun, text.value, lang), ui.fold(tr(texts.WRITE), text, unfolded=False)
    build = ui.form(ui.fields(_form.asked), _form.add, lambda to: set_built(_form.build(to)), _form.lacks, "300px")
    _build = ui.fold(tr(forming.TITLE), ui.note(tr(forming.HELP)), build, unfolded=built() is not None)
    ui.page(*top, ui.grid(start, file, min="200px"), ui.notes(_form.told(built())), _write, _build)
    return (build,)


@app.cell
def _(against, file, lab, lang, named, periods, span, start, text, tr, unread):
    tried = lab.tried(text.value, against.value or "", periods[span.value or 0], tr)
    mo.stop(bool(_wrong := tried.trouble or ("" if text.value else unread)), ui.part(lang, ui.note(_wrong, "bad")))
    ground, words, _two = tried.ground, board.words(tried.draft, lang, named), ui.grid(against, span, min="200px")
    moving = mo.ui.dropdown(**board.movable(tried.draft, words), label=tr("Threshold to move"), full_width=True)
    ui.part(lang, _two, ui.notes(board.remarks(against.value, start.value, file.name(), tried, words)))
    return ground, moving, tried, words


@app.cell
def _(ground, moving, tr, tried):
    scale = moving.value and ground.scale(tried.draft, moving.value)
    slider = mo.ui.slider(**board.slider(scale, moving.value), label=tr("Move it"), full_width=True, debounce=True)
    return scale, slider


@app.cell
def _(ground, lab, lang, moving, scale, set_pick, show, slider, tr, tried, words):
    book, _reads = board.moved(tried.draft, moving.value, scale, slider.value, words)
    found = ground.result(ground.compared(tried.before, book), lab.capacity(), lab.prices())
    _rows = found.compared.matrix()
    chart = ui.clickable(charts.matrix(_rows, board.VERB, words), lambda at: set_pick(board.of_cell(board.VERB, at)))
    _slide = [ui.grid(moving, slider, min="260px"), ui.note(_reads)] if scale else []
    _matrix = ui.section(tr("Who goes from where to where"), *_slide, chart, ui.note(tr(texts.CLICK)))
    place = mo.ui.dropdown(**board.warehouses(found, words), label=tr("Warehouse"), full_width=True)
    _tiles = texts.tiles(found.figures, tr, limited=board.limits_gifts(tried.force, book))
    ui.part(lang, ui.kpis(_tiles, min="200px"), _matrix, show(sections.cells(_rows, board.VERB, words)))
    return book, chart, found, place


@app.cell
def _(book, found, ground, lang, live, pick, tr, words):
    listed = _rows = ground.picked(found, book, pick())
    orders = ui.table(tables.orders(_rows.head(board.MOST_TOLD), words, book.zone), selection="multi")
    _save = ui.download_csv(lambda: tables.orders(_rows, words.plain, book.zone), "orders.csv", tr("Download CSV"))
    live[""] = ui.section(board.named(pick(), words), tr(texts.MANY).format(n=f"{_rows.height:,}"), orders, _save)
    ui.part(lang, live[""])
    return listed, orders


@app.cell
def _(book, ground, lang, listed, orders, tr, tried, words):
    mo.stop(not len(orders.value))
    _one = listed[orders.places[0]]
    _why = ground.why(_one["order_id"][0], texts.why(_one["order_no"][0], book, tried.force, tr), words)
    _made = {one: ui.table(rows, wrapped_columns=rows.columns[2:], page_size=6) for one, rows in _why.items()}
    ui.part(lang, *map(ui.section, _made, _made.values()), ui.link(*board.as_examples(listed[orders.places], tr)))
    return


@app.cell
def _(book, found, ground, lab, lang, periods, place, show, span, tr, words):
    _hours = [place, charts.hours(*board.hours(found, place.value), book.zone, tr)] if place.value else []
    _hits = ground.traffic(book), ground.cliffs(book)
    _parts = sections.sections(found, *_hits, words, lab.late(book, periods[span.value or 0]), aged=lab.writable)
    ui.part(lang, ui.section(tr("Hour by hour"), *_hours), *map(show, _parts))
    return


@app.cell
def _(book, lab, lang, said, set_said, text, tr, tried, words):
    mo.stop(not lab.writable, ui.part(lang, ui.note(tr(texts.READ_ONLY)), _help := ui.note(tr(texts.HELP))))
    _rows, _kept = tables.changes(board.changes(tried.force, book, words), tr), lab.kept()
    _new = ui.table(_rows, page_size=6, wide=dict.fromkeys((tr("Before"), tr("After")), 320))
    _old, _go = ui.table(tables.editions(_kept, book.zone, tr)), (tr("Yes, do it"), tr("Do it"), tr)
    _ask, _of = (ui.questions(*of, came=said().get(form, ())) for form, of in asking.forms(_kept, tr).items())
    keep = ui.confirmed(_new, _ask, *_go, lambda to: set_said({"keep": (lab.keep(to, text.value, book, tr), to)}))
    move = ui.confirmed(_old, _of, *_go, lambda to: set_said({"move": (lab.move(to, tr), to)}))
    _draft = ui.section(tr("Keep, try or publish this draft"), ui.notes(said().get("keep", ())[:1]), keep)
    ui.part(lang, _draft, ui.section(tr("Versions"), ui.notes(said().get("move", ())[:1]), move), _help)
    return keep, move


if __name__ == "__main__":
    app.run()
