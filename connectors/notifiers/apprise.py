"""People told through Apprise: addresses, separated by blanks, in `url` or (with tokens in them) in the secret."""

from __future__ import annotations

from concurrent.futures import Future, wait
from functools import lru_cache, partial
from threading import BoundedSemaphore

import apprise as library

from connectors._kit import deadline
from connectors.notifiers import _robots
from orderhub_core.effects import Notify
from orderhub_core.errors import Unreachable, UserMistake
from orderhub_core.settings import LONGEST_TIMEOUT_S, Endpoint

REMEMBERED = 1_000
"""Messages of which it is known who has them."""
AT_ONCE = 8
"""Messages that one address has not answered to yet; another one is not begun."""


class Address:
    """One that people are told at."""

    def __init__(self, service: library.NotifyBase, who: str, timeout_s: float) -> None:
        self._out = library.Apprise()
        self._out.add(service)
        self._robot = _robots.asked(service, who, timeout_s)
        self._turns = BoundedSemaphore(AT_ONCE)

    def tell(self, effect: Notify) -> Future[bool]:
        """Whether it took the message, as soon as that is known."""
        if not self._turns.acquire(blocking=False):
            busy: Future[bool] = Future()
            busy.set_result(False)
            return busy
        try:
            return deadline.apart(partial(self._tell, effect))
        except BaseException:  # no thread to be had
            self._turns.release()
            raise

    def _tell(self, effect: Notify) -> bool:
        try:
            if self._robot is not None:
                return self._robot(effect)
            return bool(self._out.notify(title=effect.title, body=effect.text))
        finally:
            self._turns.release()


class Apprise:
    """ports.Notifier. Raises UserMistake for an address that Apprise does not know, without repeating its tokens."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._name = endpoint.id
        self._timeout_s = min(endpoint.timeout_s, LONGEST_TIMEOUT_S)
        # Whatever Apprise limits, it does in threads of its own, for which the process would wait at its end.
        services = library.Apprise(asset=library.AppriseAsset(service_timeout=0))
        addresses = f"{endpoint.url} {endpoint.secret()}".split()
        if not addresses:
            raise UserMistake(
                "{id}: a notifier needs an Apprise address in url, secret_env or secret_file", id=endpoint.id
            )
        for number, address in enumerate(addresses, start=1):
            if not services.add(address):
                scheme = address.partition("://")[0]
                raise UserMistake(
                    "{id}: address {number} ({scheme}://...) is none that Apprise can use",
                    id=endpoint.id,
                    number=number,
                    scheme=scheme,
                )
        self._addresses = [Address(service, self._name, self._timeout_s) for service in services]
        self._told = lru_cache(maxsize=REMEMBERED)(self._nobody)

    @staticmethod
    def _nobody(effect: Notify, key: str) -> dict[Address, Future[bool]]:
        """Who is, or was, told of it."""
        return {}

    def push(self, effect: Notify, key: str) -> None:
        """Tell every address, all of them within `timeout_s`. One that has taken the message, or may be about to, is
        not told it again.

        No service takes an idempotency key, and who has taken what is in this process's memory: another worker, or the
        next one, tells a message anew of which some address has not said that it took it. Rather twice than never.
        """
        told = self._told(effect, key)
        for address in self._addresses:
            if address not in told or _failed(told[address]):
                told[address] = address.tell(effect)
        wait(told.values(), self._timeout_s)
        missing = sum(not (answer.done() and answer.result()) for answer in told.values())
        if missing:
            raise Unreachable(
                "{who}: {missing} of {all} addresses did not take the message in time; it will be tried again there",
                who=self._name,
                missing=missing,
                all=len(told),
            )


def _failed(answer: Future[bool]) -> bool:
    return answer.done() and (answer.exception() is not None or not answer.result())


def connect(endpoint: Endpoint) -> Apprise:
    return Apprise(endpoint)
