import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full")

with app.setup:
    import altair as alt
    import polars as pl


@app.cell
def _():
    alt.Chart(pl.DataFrame({"a": [1, 2, 3]})).mark_bar().encode(x=alt.X("a:Q")).properties(width="container")
    return


if __name__ == "__main__":
    app.run()
