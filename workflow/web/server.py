"""The page as a process of its own: uvicorn, with one thread for each view that runs."""

import math
from types import FrameType

import uvicorn

from workflow.tools import Tools
from workflow.web.app import application
from workflow.web.visit import Ring

#: Requests at once, in work or in line; more get 503.
MOST_REQUESTS = 200


class Page(uvicorn.Server):
    """Uvicorn, which a second SIGTERM ends at once."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """As uvicorn's."""
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)


def serve(tools: Tools, ring: Ring) -> None:
    """Serve until SIGTERM; requests that run may take NFE_FINISH_WITHIN longer."""
    Page(configuration(tools, ring)).run()


def configuration(tools: Tools, ring: Ring) -> uvicorn.Config:
    """How the page is served: our own logs only, and the proxy's word only from where a proxy is."""
    settings = tools.settings
    return uvicorn.Config(
        application(tools, ring),
        host=settings.web_address,
        port=settings.web_port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.web_proxies,
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=math.ceil(settings.finish_within.total_seconds()),
    )
