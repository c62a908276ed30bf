"""Celery: the doorbell. A message says only "look at this shipment now"; what has been done is in its row.

Messages are acknowledged early and may be lost or doubled: a link that may not run is harmless, and the sweeper rings
again. No results are kept, no message waits in a worker, nothing but a shipment's id is in a message.
"""

import gc
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import uuid4

import structlog
from billiard.einfo import ExceptionInfo
from celery import Celery, Task, chain
from celery.exceptions import Retry
from celery.schedules import crontab
from celery.signals import setup_logging, task_postrun, task_prerun, worker_before_create_process, worker_process_init

from workflow import logs, settings, traces
from workflow.clients import rabbitmq
from workflow.clients.broker import QUEUE, SWEPT
from workflow.engine import Done, Kind, Outcome
from workflow.nfe import schema
from workflow.notice import Watch
from workflow.states import WAY, Stage, State, remaining
from workflow.store import Claim, Due, seller_of
from workflow.tools import Tools

log = logs.logger(__name__)

Act = Callable[[Claim, Tools], Done]

#: Every stage's Celery task, filled by the decorator below.
LINKS: dict[Stage, Task] = {}
#: The files of tasks that are no stages.
BESIDE = (
    "heartbeat",
    "counts",
    "traced",
    "ending",
    "alert",
    "receive",
    "sweep",
    "customer_invoices",
    "void_numbers",
    "purge",
    "hand_over",
)
#: After so many seconds a scheduled message that nobody ran is thrown away, so that they do not pile up for ever. Not
#: sooner: whoever takes it reads his own clock, and one that is ahead by more would throw every sweep away.
STALE = 2 * 3600
#: Whose the leases are that this worker's processes take: they are forked from the one that reads this.
OWNER = uuid4().hex
#: What beat starts once a day: the hour (UTC) after midnight in Brasília, before anybody works.
DAILY = {"void_numbers": 3, "purge": 4}


#: Characters of a code and a reason in Flower; the history has all of them.
LONGEST = 500
#: Stages that an older database would do once more; the others only ask.
_DO_SOMETHING = frozenset({Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT, Stage.CANCEL})
#: What Flower and a trace show as failed.
_ENDED_BADLY = (Kind.STOPPED, Kind.REFUSED)


class Stopped(Exception):
    """What Flower shows as FAILURE: the code and the reason; a person decides."""


class Failed(Exception):
    """What Flower shows as FAILURE where nobody foresaw it: the kind; the worker's log says where."""


class Small(Task):
    """A task whose end is small, however it ends.

    It goes from the process that ran it to the worker's first process by a pipe. What does not fit into one write
    (4,096 bytes; a traceback takes ten times that) may come in two parts, and where the broker is lost between them,
    Celery reads the second as a beginning: that process gets nothing more to do, without a word.
    """

    throws = (Stopped, Failed)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run; what nobody foresaw is told to the log and ends as Failed."""
        try:
            return self.run(*args, **kwargs)
        except (Stopped, Retry):
            raise
        except Exception as error:
            log.error("unforeseen", kind=type(error).__name__, frames=logs.frames(error))
            raise Failed(f"{type(error).__name__}; the worker's log says where") from None

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: ExceptionInfo) -> None:
        """Leave the traceback out of the end."""
        einfo.tb, einfo.traceback, einfo.exception.tb = None, "", ""

    on_retry = on_failure


class Waits(Exception):
    """What Flower shows as RETRY: the code, the reason, and when the shipment's turn comes."""


def configuration(chosen: settings.Settings) -> dict[str, Any]:
    """Celery's settings; each was measured against killed workers and brokers."""
    return {
        "broker_url": chosen.resolved_broker_url,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A broker that refuses (full, or a replica for the moment) is one that is away: the worker waits, and stays.
        "broker_channel_error_retry": True,
        **_broker_options(chosen.broker_url),
        # Whoever rings must not hang on a broker that is away: the row is there, the sweeper comes.
        "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2},
        "task_ignore_result": True,
        "result_backend": None,
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "worker_eta_task_limit": 1000,
        "worker_send_task_events": True,
        # One more series in Flower's metrics per producer process otherwise.
        "task_send_sent_event": False,
        "worker_hijack_root_logger": False,
        "task_default_queue": QUEUE,
        "timezone": "UTC",
        "beat_schedule": schedule(chosen),
        "imports": [f"tasks.{name}" for name in (*BESIDE, *(str(stage) for stage in Stage))],
    }


def _broker_options(url: str) -> dict[str, Any]:
    """Without these a half-open connection makes a worker that looks alive and consumes nothing."""
    if rabbitmq.speaks(url):
        return {
            "broker_heartbeat": 10,
            "broker_use_ssl": rabbitmq.tls(url) or False,
            # A message that RabbitMQ has not confirmed is not sent: the sweeper comes again.
            "broker_transport_options": {"confirm_publish": True, "connect_timeout": 5},
        }
    return {
        "broker_transport_options": {
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "visibility_timeout": 3600,
        }
    }


def schedule(chosen: settings.Settings) -> dict[str, Any]:
    """What beat starts, and how often; whatever nobody ran for hours is worth nothing, the next one sees the same."""
    often = {
        "sweep": chosen.sweep_every,
        "customer_invoices": chosen.customer_invoices_every.total_seconds(),
        "hand_over": chosen.handover_every.total_seconds(),
        "alert": chosen.alert_every.total_seconds() if chosen.alert_url else 0,
    }
    wanted = {"void_numbers": chosen.void_numbers, "purge": bool(chosen.purge_after)}
    return {
        name: {"task": name, "schedule": seconds, "options": {"expires": max(seconds * 2, STALE)}}
        for name, seconds in often.items()
        if seconds > 0
    } | {
        name: {"task": name, "schedule": crontab(minute=0, hour=hour), "options": {"expires": 6 * 3600}}
        for name, hour in DAILY.items()
        if wanted[name]
    }


app = Celery("nfe", task_cls=Small)
app.config_from_object(configuration(settings.current()))


@setup_logging.connect
def _log(**_: Any) -> None:
    logs.configure(settings.current())


@worker_before_create_process.connect
def _before_fork(**_: Any) -> None:
    """What every process needs is made once and shared; a collector that looked at it would copy every page of it."""
    schema.compile_all()
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    # Connections must not be shared with the parent.
    tools.cache_clear()
    watch.cache_clear()


@task_prerun.connect
def _bind(task_id: str, task: Task, args: Sequence[Any] = (), **_: Any) -> None:
    """Whatever is logged from here on names its task and, in a stage, its shipment and its seller."""
    about = {"task": task.name, "task_id": task_id}
    if task.name in WAY:
        about |= {"stage": task.name, "shipment": args[0], "seller": seller_of(args[0])}
    structlog.contextvars.bind_contextvars(**about)


@task_postrun.connect
def _unbind(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()


@lru_cache(maxsize=1)
def tools() -> Tools:
    """This process's connections, made at the first task."""
    kit = Tools(settings.current())
    kit.store.owner = OWNER
    return kit


@lru_cache(maxsize=1)
def watch() -> Watch:
    """Who looks whether the database is older than the world."""
    return Watch(tools())


def stage(act: Act) -> Act:
    """Make a stage's function a Celery task of the same name; the function itself stays as it is."""
    which = Stage(act.__name__)

    @app.task(bind=True, name=act.__name__)
    def link(self: Task, shipment_id: str) -> str:
        """Run the stage if the shipment's row says so, and tell Flower how it ended."""
        kit = tools()
        facts = {"nfe.seller": seller_of(shipment_id), "celery.task_id": self.request.id}
        with traces.stage(which, shipment_id, facts) as span:
            outcome = kit.engine.advance(shipment_id, which, partial(_watched, which, act))
            span.tell({"nfe.outcome": outcome.kind, "nfe.state": outcome.state, "nfe.code": outcome.code})
            if outcome.kind in _ENDED_BADLY:
                span.fail(outcome.code or outcome.kind)
        if not outcome.goes_on:
            # `Ignore` would leave the task STARTED in Flower for ever.
            self.request.chain = None
        return told(outcome)

    LINKS[which] = link
    return act


def _watched(which: Stage, act: Act, claim: Claim) -> Done:
    kit = tools()
    kit.heard(claim)
    if which in _DO_SOMETHING:
        watch().over(claim.seller_id)
    return act(claim, kit)


def told(outcome: Outcome) -> str:
    """What Flower shows: a text for what went on or moved on, RETRY for what waits, FAILURE for what stopped.

    >>> told(Outcome(Kind.SKIPPED))
    'not its turn'
    >>> told(Outcome(Kind.REFUSED, State.REJECTED, "237", "Rejeicao: CPF do destinatario invalido"))
    Traceback (most recent call last):
    ...
    tasks.app.Stopped: REJECTED 237 Rejeicao: CPF do destinatario invalido
    """
    facts = " ".join(str(fact) for fact in (outcome.state, outcome.code, outcome.reason) if fact)[:LONGEST]
    if outcome.kind in _ENDED_BADLY:
        raise Stopped(facts)
    if outcome.kind is Kind.WAITING and outcome.wait is not None:
        seconds = round(outcome.wait.total_seconds(), 1)
        raise Retry(facts, Waits(f"{facts}, again in {seconds} s"), when=seconds)
    return "not its turn" if outcome.kind is Kind.SKIPPED else facts


def waiting() -> int:
    """How many messages of the sweeps stand in the broker and have reached no worker."""
    with app.connection_or_acquire() as connection:
        # Kombu's pool gives a connection that failed out again, closed, and a channel does not open it.
        connection.connect()
        # A channel of its own: RabbitMQ shuts the one that asked for a queue that nobody has made yet.
        try:
            with connection.channel() as channel:
                return int(channel.queue_declare(SWEPT, passive=True).message_count)
        except connection.channel_errors:
            return 0


def ring(rows: Iterable[Due], queue: str = QUEUE) -> int:
    """Start the chain of the remaining stages of each row, over one connection; returns how many.

    The first link stands in the queue that is named, every further one in the common queue.
    """
    count = 0
    with app.producer_or_acquire() as producer:
        for row in rows:
            links = [LINKS[step].si(row.id) for step in remaining(State(row.state), cancelling=row.cancelling)]
            if links:
                links[0].set(queue=queue)
                chain(*links).apply_async(producer=producer)
                count += 1
    return count
