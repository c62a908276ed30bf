"""Celery's command with our log from its first line on, also where Celery asks nobody (Flower): `-m tasks.command`."""

import sys

from celery.__main__ import main

from workflow import logs, settings

if __name__ == "__main__":
    chosen = settings.current()
    logs.configure(chosen)
    if chosen.log_format == "json":
        # Where Celery writes past every log that it shuts down.
        sys.__stdout__ = None  # type: ignore[misc]  # Python itself leaves it so where there is none
    if "flower" in sys.argv:
        from tasks.flower_view import install

        install(chosen)
    main()
