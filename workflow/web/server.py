"""The page as a process of its own: uvicorn, with one thread for each view that runs."""

import uvicorn

from workflow.tools import Tools
from workflow.web.app import application
from workflow.web.visit import Ring

#: Requests at once, in work or in line; more get 503.
MOST_REQUESTS = 200
#: Seconds that a running request may still take at the end.
GRACE = 5


def serve(tools: Tools, ring: Ring) -> None:
    """Serve until SIGTERM."""
    uvicorn.Server(configuration(tools, ring)).run()


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
        timeout_graceful_shutdown=GRACE,
    )
