"""A pretend year of a brand: orders, what really happened, and how touchpoints tell it: badly, at known rates."""

from orderhub_core.sim.world.books import Books, books
from orderhub_core.sim.world.build import World, build
from orderhub_core.sim.world.plan import BIG_SHOPS, Plan

__all__ = ["BIG_SHOPS", "Books", "Plan", "World", "books", "build"]
