"""Nodes and workers of the third home killed under load: a few here, many by `make faults`."""

import pytest
from jetstream import run

from orderhub_core.store._nats import Cluster

pytestmark = [pytest.mark.faults, pytest.mark.jetstream, pytest.mark.postgres]


def test_kills_lose_and_double_nothing():
    report = run(rounds=2, seed=3)
    assert report.fine, report
    assert report.acknowledged > 50


def test_an_acknowledgement_before_the_cluster_s_is_caught(monkeypatch):
    """Negative control: published, but nobody waits for a quorum."""

    async def sent_and_forgotten(self, parcels):
        client = await self._client()
        for parcel in parcels:
            await client.publish(f"{self.address.name}.inbox.{parcel.lane}", parcel.payload)
        return [False] * len(parcels)

    monkeypatch.setattr(Cluster, "_publish_group", sent_and_forgotten)
    report = run(rounds=1, seed=3, blows={"all nodes": 1})
    assert report.lost, report


def test_forgetting_before_the_commit_is_caught():
    """Negative control: a worker that is killed between the two takes the messages with it."""
    # When a kill falls is the operating system's choice: a campaign, ended by the first that falls between the two.
    assert any(run(rounds=6, seed=seed, blows={"worker": 1}, sabotage="forget first").lost for seed in range(4, 8))
