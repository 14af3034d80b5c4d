# /// script
# [tool.orderhub]
# title = "Rule by example"
# description = "Mark orders that a rule should take and others that it should not; get the shortest rule for it."
# glyph = "example"
# position = 6
#
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

__generated_with = "0.25.2"
app = marimo.App(
    width="full",
    app_title="OrderHub · Rule by example",
    css_file="assets/console.css",
    html_head_file="assets/head.html",
)

with app.setup:
    import marimo as mo

    from orderhub_core import hub, i18n, names, ui
    from orderhub_core.charts import examples as charts
    from orderhub_core.charts import theme
    from orderhub_core.rules import rulebook
    from orderhub_core.rules.lab import board, examples, forming, texts
    from orderhub_core.rules.lab import example_texts as say


@app.cell
def _():
    lang = ui.language()
    tr = i18n.translator(lang)
    theme.use(lang)
    top = (tr("Rule by example"), tr(say.INTRO), lang)
    with ui.readable(*top):
        lab, named = hub.connect().lab, names.Names(hub.connect().settings, tr)
        periods = lab.periods()
    mo.stop(len(periods) == 1, ui.page(*top, ui.note(tr(texts.NO_ORDERS))))
    _given = examples.given(lab.ground(periods[0]).orders, ui.asked("should"))
    (marks, set_marks), (pick, set_pick) = mo.state(_given, allow_self_loops=True), mo.state(None)
    (saved, set_saved), (region, set_region) = mo.state(examples.Made(), allow_self_loops=True), mo.state(None)
    return lab, lang, marks, named, periods, pick, region, saved, set_marks, set_pick, set_region, set_saved, top, tr


@app.cell
def _(periods, tr):
    span = mo.ui.dropdown(**board.spans(periods, tr), label=tr("Orders paid or accepted in"), full_width=True)
    only = mo.ui.text(label=tr(say.ONLY), full_width=True)
    return only, span


@app.cell
def _(lab, saved, tr):
    _books = examples.begins(board.starts(lab.states(), tr), saved())
    start = mo.ui.dropdown(**_books, label=tr("The book that it is for"), full_width=True)
    return (start,)


@app.cell
def _(only, span, start, top, tr):
    ui.page(*top, ui.grid(start, span, only, min="260px"), ui.note(tr(say.HELP)))
    return


@app.cell
def _(lab, lang, named, periods, set_marks, span, start, tr):
    text, _unread = lab.opened(start.value or "", None, lang)
    book, _wrong = rulebook.read(text)
    mo.stop(_unread or _wrong, ui.part(lang, ui.note(_unread or rulebook.refusal(start.value, _wrong, tr), "bad")))
    ground, words = lab.ground(periods[span.value or 0]), board.words(book, lang, named)
    bench = examples.Bench.of(ground.orders, words)

    def marking(rows, wide=None, **asked):
        """Orders to choose from, and to mark."""
        table = ui.table(rows, selection="multi", wide=wide or {})
        asks = {"do": mo.ui.radio(examples.acts(tr), value=tr(say.ACTS["yes"])), **asked}
        return ui.chosen(table, asks, tr("Mark them"), tr, lambda to: set_marks(bench.marking(to)), bench.lacks)

    return bench, book, ground, marking, text, words


@app.cell
def _(ground, lang, only, set_region, tr, words):
    _rows, _wrong = examples.only(ground, only.value, words)
    shown = _rows.head(examples.LISTED)
    _told = [ui.note(_wrong, "bad")] if _wrong else []
    with theme.carried():
        picture = ui.brushable(charts.orders(shown, words), lambda region: set_region((shown, region)))
    ui.part(lang, ui.section(tr("Orders"), *_told, examples.counted(_rows.height, tr), picture))
    return picture, shown


@app.cell
def _(bench, ground, lang, marking, region, shown, tr):
    _rows = examples.brushed(shown, region())
    mark = marking(bench.listed(_rows, ground.lines), numbers=mo.ui.text(label=tr(say.NUMBERS), full_width=True))
    ui.part(lang, ui.section(tr("Choose and mark"), mark))
    return (mark,)


@app.cell
def _(bench, ground, lang, marking, marks, tr):
    mo.stop(not marks())
    again = marking(examples.marks_table(marks(), ground.orders, ground.lines, bench))
    ui.part(lang, ui.section(tr("Marked orders"), again))
    return (again,)


@app.cell
def _(bench, book, ground, lang, marks, set_pick, tr, words):
    found = examples.found(ground, marks(), book, words)
    _rows = examples.candidates(found, words)
    _act = lambda row: set_pick(found.findings.candidates[row].condition)  # noqa: E731
    rules = ui.pickable(_rows, _act, {_rows.columns[0]: 320, _rows.columns[-1]: 240})
    _told = ui.notes(examples.notes(found, bench))
    ui.part(lang, ui.section(tr("Rules that tell them apart"), _told, *([rules] if _rows.height else [])))
    return found, rules


@app.cell
def _(bench, found, ground, lang, marking, pick, tr):
    rule = found.chosen(pick())
    mo.stop(rule is None)
    _rows = examples.look(rule, found, ground, bench)
    look = marking(_rows, {_rows.columns[1]: 240}) if _rows.height else ui.note(tr(say.NO_LOOK), "good")
    _line = examples.line(rule, bench.words)
    ui.part(lang, ui.section(tr("Worth a look of: {rule}").format(rule=_line), look))
    return look, rule


@app.cell
def _(lab, lang, rule, saved, set_saved, start, text, tr, words):
    _asked = forming.asks_deed(text, lang) | (examples.asks_name(tr) if lab.writable else {})
    make = examples.Make(lab, start.value or "", text, rule.condition, lang)
    add = ui.form(ui.fields(_asked), tr("Make a draft"), lambda to: set_saved(make.kept(to)), make.lacks, "260px")
    _file = [ui.download_text(saved().text, "draft.toml", tr("Download the draft"))] if saved().text else []
    _file += [ui.link(tr("Open the rule lab"), "rule_lab")] if saved().begun and lab.writable else []
    _title = tr("Make a draft with the rule: {rule}").format(rule=examples.line(rule, words))
    ui.part(lang, ui.section(_title, add, ui.notes(saved().notes), *_file))
    return (add,)


if __name__ == "__main__":
    app.run()
