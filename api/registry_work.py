"""The registry's jobs that need a network or a mail server, with what the settings name for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api import notice_posts
from ca import issuer_watch
from ca.guarded_fetch import Fetcher, FetchLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api.wiring import Wiring
    from db.canonical import Json
    from db.jobs import Handler


def handlers(wiring: Wiring) -> dict[str, Handler]:
    """Return the jobs by name, bound to this process's wiring."""

    def send_notices(_: Mapping[str, Json]) -> None:
        notice_posts.send(wiring)

    def watch_issuers(_: Mapping[str, Json]) -> None:
        fetcher = Fetcher(FetchLimits(allowed=wiring.settings.status_networks))
        issuer_watch.watch(wiring.sessions, fetcher, at=wiring.clock())

    return {"ca.send_notices": send_notices, "ca.watch_issuers": watch_issuers}
