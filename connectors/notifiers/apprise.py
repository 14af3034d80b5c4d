"""People told through Apprise: addresses, separated by blanks, in `url` or (with tokens in them) in the secret."""

from __future__ import annotations

import apprise as library

from orderhub_core.effects import Notify
from orderhub_core.errors import Unreachable, UserMistake
from orderhub_core.settings import Endpoint


class Apprise:
    """ports.Notifier. Raises UserMistake for an address that Apprise does not know, without repeating its tokens."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._name = endpoint.id
        self._out = library.Apprise()
        addresses = f"{endpoint.url} {endpoint.secret()}".split()
        if not addresses:
            raise UserMistake(
                "{id}: a notifier needs an Apprise address in url, secret_env or secret_file", id=endpoint.id
            )
        for number, address in enumerate(addresses, start=1):
            if not self._out.add(address):
                scheme = address.partition("://")[0]
                raise UserMistake(
                    "{id}: address {number} ({scheme}://...) is none that Apprise can use",
                    id=endpoint.id,
                    number=number,
                    scheme=scheme,
                )

    def push(self, effect: Notify, key: str) -> None:
        """No service takes an idempotency key: a message whose answer was lost is told twice rather than never."""
        if not self._out.notify(title=effect.title, body=effect.text):
            raise Unreachable(
                f"{self._name}: the notification service did not take the message; it will be tried again"
            )


def connect(endpoint: Endpoint) -> Apprise:
    return Apprise(endpoint)
