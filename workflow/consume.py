"""`nfe consume`: takes Amazon's notifications off an SQS queue, each into the database before it leaves the queue.

A message is deleted after its row is committed, never before: whoever dies in between gets it again, and again is
harmless. What can never be understood goes to the dead-letter queue with the reason; a seller that is not registered
yet is waited for. While the database is away nothing is taken: the batch in hand is kept hidden, so that the queue's
own count of receives does not throw good messages away.
"""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import FrameType

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from workflow import ending
from workflow.clients import queue as sqs
from workflow.clients.notifications import parse
from workflow.clients.queue import Message, Queue
from workflow.engine import Engine, Reception, backoff
from workflow.errors import Invalid, Misconfigured, NfeError, RetryLater
from workflow.logs import frames, logger
from workflow.parts import Part, sign_of_life
from workflow.settings import Settings
from workflow.states import State
from workflow.store import Due
from workflow.tools import Tools

log = logger(__name__)

#: What time may mend: the seller is registered, the program is corrected. Everything else is refused at once.
PATIENT = ("unknown-seller", "bug")
#: Waits between the receives of such a message, in seconds: the first doubles up to the longest.
FIRST_WAIT, LONGEST_WAIT = 30, 3600
#: Waits while SQS or the database is away.
REST_BASE, REST_CAP = timedelta(seconds=1), timedelta(seconds=30)
#: Seconds between two lines that count.
REPORT_EVERY = 60.0
#: A ring that takes longer, in seconds, means that the broker is away: the sweeper rings for the rest.
SLOW_RING = 5.0
#: Messages of one seller for which a consumer rings within a second. The sweeper, which is fair among sellers, rings
#: for the others: one seller's thousands must not stand in the broker before another's single shipment.
BURST = 50
#: Messages we remember to have complained about.
REMEMBERED = 10_000


def run(tools: Tools, *, ring: Callable[[Due], None]) -> None:
    """Consume until SIGTERM or SIGINT, and NFE_FINISH_WITHIN longer at the most.

    Raises Misconfigured where a person must mend the queue's settings.
    """
    consumer = Consumer(open_queue(tools.settings), tools.engine, tools.settings, ring=ring)
    limit = tools.settings.finish_within

    def told(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGALRM:
            signal.setitimer(signal.ITIMER_REAL, max(limit.total_seconds(), 0.001))
            ending.within(limit + ending.MARGIN)
        consumer.on_signal(number, frame)

    heard = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = {number: signal.signal(number, told) for number in heard}
    try:
        consumer.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def open_queue(settings: Settings) -> Queue:
    """The queue that the settings name; raise Misconfigured where they name none."""
    if not settings.sqs_queue_url:
        raise Misconfigured("no-queue", "set NFE_SQS_QUEUE_URL to the URL of the SQS queue")
    return sqs.connect(
        settings.sqs_queue_url,
        dead_letters=settings.sqs_dlq_url,
        region=settings.sqs_region,
        endpoint_url=settings.sqs_endpoint_url,
        wait=settings.sqs_wait,
        visibility=int(settings.sqs_visibility.total_seconds()),
    )


class Consumer:
    """One reader of the queue; as many as wanted may run."""

    def __init__(self, queue: Queue, engine: Engine, settings: Settings, *, ring: Callable[[Due], None]) -> None:
        self._queue = queue
        self._engine = engine
        self._settings = settings
        self._ring = ring
        self._stopping = False
        self._is_idle = False
        self._in_hand: Sequence[Message] = ()
        #: Receives of a message before it is set aside; None until the queue has been looked at.
        self._limit: int | None = None
        self._failures = 0
        self._told: set[str] = set()
        self._rung: Counter[str] = Counter()
        self._rung_since = time.monotonic()
        self.counts: Counter[str] = Counter()
        self._reported = time.monotonic()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        """Stop after the batch in hand; at once where we only wait, at a second signal, and when the time is over."""
        at_once = self._stopping or self._is_idle
        self.stop()
        if at_once:
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Take no further batch."""
        self._stopping = True

    def run(self) -> None:
        """Take batch after batch until a signal."""
        ended = threading.Event()
        threading.Thread(target=self._keep_hidden, args=(ended,), name="keep-hidden", daemon=True).start()
        try:
            while not self._stopping:
                self.step()
        except KeyboardInterrupt:
            pass  # a signal while we waited
        finally:
            ended.set()
            self._report()

    def step(self) -> None:
        """Wait for one batch and take it."""
        try:
            with self._idle():
                if self._limit is None:
                    self._look_around()
                messages = self._queue.receive()
        except RetryLater as error:
            log.warning("queue away", code=error.code, reason=error.message)
            self._rest()
            return
        self._failures = 0
        self._take(messages)
        self._live()
        if time.monotonic() - self._reported > REPORT_EVERY:
            self._report()

    # -- a batch --------------------------------------------------------------------------------------------

    def _take(self, messages: Sequence[Message]) -> None:
        """Commit each, then delete them together, then ring."""
        done: list[Message] = []
        rows: list[Due] = []
        self._in_hand = messages
        try:
            for message in messages:
                if self._handle(message, rows):
                    done.append(message)  # noqa: PERF401  an exception must not lose what is done
        finally:
            # Also when we are told to stop while the database is away: what is committed need not come again.
            self._delete(done)
            self._hand_back([message for message in self._in_hand if message not in done])
            self._in_hand = ()
        for row in rows:
            started = time.monotonic()
            self._ring(row)
            if self._stopping or time.monotonic() - started > SLOW_RING:
                break

    def _handle(self, message: Message, rows: list[Due]) -> bool:
        """Whether the message may be deleted; waits for a database that is away."""
        while True:
            try:
                return self._receive(message, rows)
            except SQLAlchemyError as error:
                log.warning("database away", kind=type(error).__name__)
                self._rest()

    def _receive(self, message: Message, rows: list[Due]) -> bool:
        try:
            raw = message.body.encode(errors="surrogatepass")
            said = parse(raw)
            rings = self._may_ring(said.seller_id)
            id, came = self._engine.take(said, raw, actor="sqs", rings=rings)
        except Invalid as error:
            return self._refuse(message, error)
        except (DataError, IntegrityError) as error:
            return self._refuse(message, self._unforeseen(message, error))
        except (NfeError, SQLAlchemyError):
            raise
        except Exception as error:
            # A bug that one message meets must not keep the others from coming in.
            return self._refuse(message, self._unforeseen(message, error))
        self._failures = 0
        self.counts[str(came)] += 1
        if rings and came in (Reception.CREATED, Reception.CANCELLING):
            rows.append(Due(id, State.RECEIVED, came is Reception.CANCELLING))
        return True

    def _may_ring(self, seller_id: str) -> bool:
        now = time.monotonic()
        if now - self._rung_since > 1:
            self._rung.clear()
            self._rung_since = now
        self._rung[seller_id] += 1
        return self._rung[seller_id] <= BURST

    def _unforeseen(self, message: Message, error: Exception) -> Invalid:
        log.error("unforeseen", message=message.id, kind=type(error).__name__, frames=frames(error))
        return Invalid("bug", f"{type(error).__name__} in the consumer; its log says where")

    def _refuse(self, message: Message, error: Invalid) -> bool:
        """Set the message aside with the reason, or leave it to come again; whether it may be deleted."""
        waits = error.code in PATIENT and message.receives < (self._limit or self._settings.sqs_max_receives)
        if not waits and self._queue.has_dead_letters:
            try:
                self._queue.set_aside(message, error.code, error.message)
            except NfeError as failure:
                log.error("not set aside", message=message.id, code=failure.code, reason=failure.message)
            else:
                self.counts["dead"] += 1
                log.warning("set aside", message=message.id, code=error.code, reason=error.message)
                return True
        self._complain_once(message, error)
        self._postpone(message)
        return False

    def _complain_once(self, message: Message, error: Invalid) -> None:
        if message.id in self._told:
            return
        if len(self._told) >= REMEMBERED:
            self._told.clear()
        self._told.add(message.id)
        log.warning("left in the queue", message=message.id, code=error.code, reason=error.message)

    def _postpone(self, message: Message) -> None:
        self.counts["postponed"] += 1
        wait = min(FIRST_WAIT * 2 ** min(message.receives - 1, 16), LONGEST_WAIT)
        # Done with before the wait begins: nobody shortens it again.
        self._in_hand = [other for other in self._in_hand if other is not message]
        with suppress(RetryLater):  # it comes sooner then
            self._queue.hide([message], wait)

    def _delete(self, messages: Sequence[Message]) -> None:
        try:
            undeleted = self._queue.delete(messages)
        except RetryLater as error:
            undeleted = len(messages)
            log.warning("queue away", code=error.code, reason=error.message)
        if undeleted:
            self.counts["undeleted"] += undeleted  # they come again, and are known then

    def _hand_back(self, messages: Sequence[Message]) -> None:
        """Let others see what we were told to leave; nothing where the batch was done."""
        if messages:
            with suppress(RetryLater):  # they come when their time is over
                self._queue.hide(messages, 0)

    # -- around it ------------------------------------------------------------------------------------------

    def _look_around(self) -> None:
        """Learn the queue's own limit of receives: a message that it would take next leaves with our reason."""
        standing = self._queue.standing()
        limits = (self._settings.sqs_max_receives, standing.max_receives or self._settings.sqs_max_receives)
        self._limit = min(limits)
        log.info("consuming", queue=self._settings.sqs_queue_url, waiting=standing.waiting)
        if not self._queue.has_dead_letters and standing.max_receives is None:
            log.warning("no dead-letter queue: set NFE_SQS_DLQ_URL, or what nobody understands keeps coming back")
        self._live()

    def _keep_hidden(self, ended: threading.Event) -> None:
        """Extend the time of the messages in hand, well before it ends."""
        while not ended.wait(self._settings.sqs_visibility.total_seconds() / 3):
            try:
                self._queue.hide(self._in_hand)
            except NfeError as error:
                log.warning("not kept hidden", code=error.code, reason=error.message)

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """Where a signal may end us at once: nothing is half done here."""
        self._is_idle = True
        try:
            if self._stopping:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_idle = False

    def _rest(self) -> None:
        """Wait longer after each failure in a row."""
        self._failures += 1
        wait = backoff(self._failures, base=REST_BASE, cap=REST_CAP, draw=random.random)
        with self._idle():
            time.sleep(wait.total_seconds())

    def _live(self) -> None:
        """Touch our sign of life, which a health check looks at."""
        path = sign_of_life(Part.CONSUMER, self._settings)
        with suppress(OSError):  # a full disk must not stop the work: the health check will tell
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch()

    def _report(self) -> None:
        """One line with what came since the last."""
        self._reported = time.monotonic()
        if self.counts:
            log.info("consumed", **self.counts)
            self.counts.clear()
