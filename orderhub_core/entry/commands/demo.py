"""`orderhub demo`: a pretend world on this machine and a real hub over it, or a big world as Parquet."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from orderhub_core.entry.demo import setting
from orderhub_core.entry.demo.supervisor import free_port, only_one, running, until_told
from orderhub_core.entry.options import AsJson, Data, Database, tell, tr, voiced
from orderhub_core.errors import UserMistake
from orderhub_core.flows.ledgers import FOLDER
from orderhub_core.sim.world import BIG_SHOPS, Plan, World, books, build
from orderhub_core.sim.world import campaign as stream
from orderhub_core.store import snapshot

app = typer.Typer()
DATA = Path("data/demo")
DAYS_OF_BIG_WORLD = 30
CAMPAIGN_ORDERS = 12_000


@app.command()
@voiced
def demo(
    orders: Annotated[int, typer.Option(min=0, help="Make a world of so many orders as Parquet instead, and end.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write that world; default DIR/world.")] = None,
    campaign: Annotated[
        bool,
        typer.Option("--campaign", help="With --orders: a campaign's stream and its rulebook, for `rules eval`."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same world.")] = 7,
    port: Annotated[int, typer.Option(help="The console's port; the next free one is taken.")] = 8800,
    data: Data = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Start a pretend world and the hub over it, or write a big world to Parquet (--orders)."""
    folder = data or DATA
    if campaign:
        answer = write_campaign(orders or CAMPAIGN_ORDERS, out or folder / "campaign", seed)
        tell(answer, tr("{folder}: orders: {orders}, and rules.toml").format(**answer), as_json=as_json)
        return
    if orders:
        answer = write_world(orders, out or folder / "world", seed)
        text = tr(
            "{folder}: orders: {orders}, after {seconds:.1f} s; look at them with `orderhub serve --snapshot {folder}`"
        )
        tell(answer, text.format(**answer), as_json=as_json)
        return
    live(folder, database or os.environ.get("ORDERHUB_DATABASE_URL", ""), seed, port)


def write_world(orders: int, folder: Path, seed: int) -> dict[str, object]:
    """A world of the last thirty days as a snapshot folder, with the answer key of its planted faults beside it."""
    snapshot.claim(folder)
    begun = time.perf_counter()
    now = setting.clock()
    plan = Plan(seed=seed, orders=orders, start=now - DAYS_OF_BIG_WORLD * setting.DAY, end=now, shops=BIG_SHOPS)
    world = build(plan)
    snapshot.write(folder, world.until(now), snapshot.Meta(as_of=now))
    world.planted.write_parquet(folder / "planted.parquet")
    write_books(folder, world, now)
    return {"folder": str(folder), "orders": orders, "seed": seed, "seconds": time.perf_counter() - begun}


def write_campaign(orders: int, folder: Path, seed: int) -> dict[str, object]:
    """The stream of a campaign with its rulebook, and which orders were put to an edge."""
    made = stream.campaign(seed, orders)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in made._asdict().items():
            frame.write_parquet(folder / f"{name}.parquet")
        (folder / "rules.toml").write_text(stream.rulebook(), encoding="utf-8")
    except OSError as error:
        raise UserMistake(
            "--out {folder}: cannot be written ({why})", folder=folder, why=error.strerror or error
        ) from None
    return {"folder": str(folder), "orders": made.orders.height, "seed": seed}


def write_books(folder: Path, world: World, now: int) -> None:
    """The world's ledgers as files for the reconciliation, with the answer key of their planted gaps beside them."""
    made = books(world, now)
    (folder / FOLDER).mkdir(exist_ok=True)
    for name, frame in made.ledgers().items():
        frame.write_csv(folder / FOLDER / f"{name}.csv", include_bom=True)
    made.causes.write_csv(folder / FOLDER / "planted-causes.csv")


def live(folder: Path, database: str, seed: int, port: int) -> None:
    """Start everything, print the address as soon as the console answers, and stay until told to stop."""
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder):
        _live(folder, database, seed, port)


def _live(folder: Path, database: str, seed: int, port: int) -> None:
    ports = setting.Ports(console := free_port(port), free_port(console + 1))
    plan = setting.kept_plan(folder, now := setting.clock(), seed)
    world = build(plan)
    sandbox = setting.write(folder, plan, ports, setting.stock(world.lines))
    write_books(folder, world, now)
    kept = setting.keep(folder, given := setting.fresh_secrets())
    env = {**os.environ, **given, "ORDERHUB_DATA": str(folder), "ORDERHUB_DATABASE_URL": database}
    with running(folder / "logs", env) as processes:
        processes.start("sandbox", ["connectors.sandbox.server", "--config", str(sandbox)], behind=True)
        processes.start("console", ["orderhub_core.entry.cli", "serve", "--no-worker", "--port", str(ports.console)])
        address = f"http://127.0.0.1:{ports.console}"
        processes.wait_for(f"{address}/healthz")
        text = tr("OrderHub is running: open {address}/   (Ctrl-C stops it; logs in {folder})")
        typer.echo(text.format(address=address, folder=folder / "logs"))
        text = tr("Commands beside it: `. {secrets}; orderhub stock ask hangzhou --data {folder}`")
        typer.echo(text.format(secrets=kept, folder=folder))
        # The console has made or migrated the store: only now may somebody else open it.
        processes.start("worker", ["orderhub_core.entry.cli", "worker"], behind=True)
        until_told(processes)
