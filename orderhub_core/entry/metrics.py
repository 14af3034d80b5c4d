"""Prometheus metrics: what this process has done, counted per batch, and how the hub stands, read when asked.

Labels are names from the settings and words from closed lists: no order, message or person is ever one, and what the
settings do not know counts as `other`. What is read from the store costs no more than `store.flow.Latest` allows.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from orderhub_core.errors import OrderHubError
from orderhub_core.flows.absorb import Outcome
from orderhub_core.flows.waiting import GroupWritten
from orderhub_core.hub import Hub, SnapshotHub
from orderhub_core.settings import Settings
from orderhub_core.store import snapshot
from orderhub_core.store.flow import Flow
from orderhub_core.store.home import SNAPSHOT
from orderhub_core.store.unit import Finished, Receipt

OTHER = "other"
RECEIPTS = get_args(Receipt)
OUTCOMES = get_args(Outcome)
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter began is of no use here, and doubles the page


class Names:
    """The labels that the settings allow."""

    def __init__(self, settings: Settings) -> None:
        self.shops = {shop.id for shop in settings.live_shops}
        self.targets = self.shops | {other.id for other in (*settings.warehouses, *settings.bases, *settings.notifiers)}

    def shop(self, source: str) -> str:
        return source if source in self.shops else OTHER

    def target(self, name: str) -> str:
        return name if name in self.targets else OTHER


class Meters:
    """The metrics of one process over one hub. Every call counts a whole batch, and may come from any thread."""

    def __init__(self, hub: Hub | SnapshotHub) -> None:
        self.registry = CollectorRegistry()
        self.names = Names(hub.settings if isinstance(hub, Hub) else Settings())
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(Standing(hub, self.names))
        if isinstance(hub, Hub):
            self._prepare()
            hub.observe_written = self.written

    def _prepare(self) -> None:
        registry = self.registry
        self._messages = Counter(
            "orderhub_messages", "Messages that were written down.", ["shop", "outcome"], registry=registry
        )
        for shop in self.names.shops:
            for receipt in RECEIPTS:
                self._messages.labels(shop, receipt)
        self._commit_seconds = Histogram(
            "orderhub_accept_commit_seconds", "One durable commit of the inbox.", buckets=SECONDS, registry=registry
        )
        self._commit_messages = Histogram(
            "orderhub_accept_commit_messages", "Messages in one commit.", buckets=SIZES, registry=registry
        )
        self._absorbed = Counter("orderhub_absorbed", "Messages that were applied.", ["outcome"], registry=registry)
        for outcome in OUTCOMES:
            self._absorbed.labels(outcome)
        self._batch_seconds = Histogram(
            "orderhub_absorb_batch_seconds", "One batch: claimed, applied.", buckets=SECONDS, registry=registry
        )
        self._batch_messages = Histogram(
            "orderhub_absorb_batch_messages", "Messages in one batch.", buckets=SIZES, registry=registry
        )
        self._dispatched = Counter(
            "orderhub_dispatched", "Tries to perform an effect.", ["target", "outcome"], registry=registry
        )
        self._failures = Counter(
            "orderhub_worker_failures", "Steps of the worker that failed.", ["thread", "kind"], registry=registry
        )

    def written(self, group: GroupWritten) -> None:
        """A commit of the receiver."""
        tally = Tally(zip((message.source for message in group.messages), group.receipts, strict=True))
        for (source, receipt), messages in tally.items():
            self._messages.labels(self.names.shop(source), receipt).inc(messages)
        self._commit_seconds.observe(group.seconds)
        self._commit_messages.observe(len(group.messages))

    def absorbed(self, outcomes: Mapping[str, int], seconds: float) -> None:
        """A batch of the worker: how many messages became what."""
        for outcome, messages in outcomes.items():
            self._absorbed.labels(outcome).inc(messages)
        self._batch_seconds.observe(seconds)
        self._batch_messages.observe(sum(outcomes.values()))

    def dispatched(self, results: Sequence[Finished]) -> None:
        tally = Tally((result.leased.target, result.state) for result in results)
        for (target, state), effects in tally.items():
            self._dispatched.labels(self.names.target(target), state).inc(effects)

    def failed(self, thread: str, kind: str) -> None:
        self._failures.labels(thread, kind).inc()

    @staticmethod
    def format_of(accept: str) -> str:
        """Of the few that there are, the one that is asked for: what `page` may be asked for, too."""
        return choose_encoder(accept)[1]

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics as they are now, in the format that is asked for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


class Standing(Collector):
    """What is read from the store when somebody asks. A store that does not answer is a metric, too."""

    def __init__(self, hub: Hub | SnapshotHub, names: Names) -> None:
        self.hub, self.names = hub, names

    def describe(self) -> Iterator[Metric]:
        """Nothing: describing would read the store."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        with contextlib.suppress(OrderHubError):
            folder = self.hub.home.data / SNAPSHOT if isinstance(self.hub, Hub) else self.hub.folder
            at = snapshot.meta(folder).as_of
            yield _gauge("orderhub_snapshot_timestamp_seconds", "When the frames on disk were written.", at / 1e6)
        if not isinstance(self.hub, Hub):
            return
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self.hub.home.data).free
            yield _gauge("orderhub_disk_free_bytes", "Room on the disk of the data folder.", free)
        yield self._put_off(self.hub.failing.put_off())
        try:
            flow = self.hub.flow()
        except OrderHubError:
            yield _gauge("orderhub_store_up", "Whether the store answers.", 0)
            return
        yield _gauge("orderhub_store_up", "Whether the store answers.", 1)
        yield from self._queue(flow)
        yield from self._shops(flow)
        yield self._effects(flow)
        yield self._refused(flow)
        yield self._conflicts(flow)

    def _queue(self, flow: Flow) -> Iterator[Metric]:
        yield _gauge("orderhub_messages_waiting", "Messages that are not applied yet.", flow.waiting)
        age = _age_s(flow, flow.oldest_at)
        yield _gauge("orderhub_oldest_waiting_seconds", "Age of the oldest message that waits; 0 when none does.", age)
        yield _gauge("orderhub_messages_parked", "Messages that wait for a person.", flow.parked)

    def _shops(self, flow: Flow) -> Iterator[Metric]:
        last = GaugeMetricFamily(
            "orderhub_shop_received_timestamp_seconds", "When the shop's newest message came.", labels=["shop"]
        )
        waiting = GaugeMetricFamily(
            "orderhub_shop_messages_waiting", "Messages of the shop that are not applied yet.", labels=["shop"]
        )
        oldest = GaugeMetricFamily(
            "orderhub_shop_oldest_waiting_seconds", "Age of the shop's oldest message that waits.", labels=["shop"]
        )
        known = {lag.source: lag for lag in flow.lags}
        for shop in sorted(self.names.shops):
            lag = known.get(shop)
            waiting.add_metric([shop], lag.waiting if lag else 0)
            oldest.add_metric([shop], _age_s(flow, lag.oldest_at if lag else None))
            if lag:
                last.add_metric([shop], lag.received_at / 1e6)
        yield from (last, waiting, oldest)

    def _effects(self, flow: Flow) -> Metric:
        open_effects: Tally[tuple[str, str]] = Tally()
        for target, state, effects in flow.effects:
            open_effects[self.names.target(target), state] += effects
        family = GaugeMetricFamily("orderhub_effects", "Effects that are not done.", labels=["target", "state"])
        for labels, effects in sorted(open_effects.items()):
            family.add_metric(labels, effects)
        return family

    def _put_off(self, deliveries: Mapping[str, int]) -> Metric:
        family = CounterMetricFamily(
            "orderhub_put_off", "Deliveries that were not written down and asked to come again.", labels=["shop"]
        )
        for shop in sorted(self.names.shops):
            family.add_metric([shop], deliveries.get(shop, 0))
        return family

    def _conflicts(self, flow: Flow) -> Metric:
        contradicting: Tally[str] = Tally(dict.fromkeys(self.names.shops, 0))
        for source, messages in flow.conflicts:
            contradicting[self.names.shop(source)] += messages
        family = GaugeMetricFamily(
            "orderhub_conflicts", "Messages that contradict an earlier one of the same id.", labels=["shop"]
        )
        for shop, messages in sorted(contradicting.items()):
            family.add_metric([shop], messages)
        return family

    def _refused(self, flow: Flow) -> Metric:
        turned_away: Tally[tuple[str, str]] = Tally()
        for source, reason, count in flow.refused:
            turned_away[self.names.shop(source), reason] += count
        family = CounterMetricFamily(
            "orderhub_refused", "What was turned away at the door, ever.", labels=["shop", "reason"]
        )
        for labels, count in sorted(turned_away.items()):
            family.add_metric(labels, count)
        return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _age_s(flow: Flow, at: int | None) -> float:
    return 0.0 if at is None else max(0.0, (flow.as_of - at) / 1e6)
