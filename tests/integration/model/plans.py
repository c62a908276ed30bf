"""What may happen, how calls may go and what may befall a worker: what the search draws from."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.integration.model.fate import LATEST, Aimed, Fault, Trouble

SHIPMENTS = 8

some_shipment = st.integers(0, SHIPMENTS - 1)
#: Most calls go well: a chain that fails at its first one shows little. Of the others, lost answers are the worst.
LOST = [Fault.LATE, Fault.UNHEARD] * 4
#: What only one kind of call meets, and would seldom.
AIMED = {
    "autorizacao": [
        *(Fault.QUEUED, Fault.QUEUED_LONG, Fault.QUEUED_UNHEARD, Fault.BARE, Fault.UNREGISTERED, Fault.REFUSED),
        *(Fault.REFUSED, Fault.BUSY, Fault.BLOCKED, Fault.LOST, Fault.LATE, Fault.UNHEARD, Fault.UNHEARD),
    ],
    "retautorizacao": [Fault.AWAY, Fault.BUSY, Fault.BLOCKED],
    "consulta": [Fault.LAGS, Fault.LAGS, Fault.AWAY, Fault.BUSY, Fault.BLOCKED],
    "evento": [Fault.LATE, Fault.UNHEARD, Fault.UNHEARD, Fault.REFUSED, Fault.BLOCKED, Fault.BUSY],
    "inutilizacao": [*(Fault.LATE, Fault.UNHEARD, Fault.REFUSED, Fault.UNREGISTERED, Fault.BLOCKED, Fault.BUG_AFTER)],
    "status": [Fault.AWAY, Fault.ODD],
    "submitInvoice": [*(Fault.UNHEARD, Fault.UNHEARD, Fault.LOST, Fault.BUSY, Fault.SELLER)],
    "getInvoiceStatus": [Fault.AWAY, Fault.ODD],
}
aimed = [Aimed(operation, fault) for operation, meant in AIMED.items() for fault in meant]
faults = st.lists(st.sampled_from([*[Fault.NONE] * 2 * len(Fault), *LOST, *Fault, *aimed, *aimed]), max_size=4)
#: What keeps a note from being authorised at once.
hitches = st.sampled_from(
    [
        *(Fault.AWAY, Fault.BUSY, Fault.LOST, Fault.LATE, Fault.UNHEARD, Fault.UNHEARD, Fault.UNHEARD, Fault.REFUSED),
        *(Fault.QUEUED, Fault.QUEUED_LONG, Fault.QUEUED_UNHEARD, Fault.BLOCKED),
    ]
)
#: How SEFAZ is asked for a note that may be there.
lags = st.sampled_from([Fault.NONE, Fault.LAGS])
#: What becomes of a submission.
losses = st.sampled_from([Fault.NONE, Fault.UNHEARD, Fault.LOST])
scenes = st.sampled_from(["hitch", "hitch", "storm", "give up", "give up", "refuse", "reissue", "reissue"])
gaps = st.sampled_from([timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=4), LATEST])
#: What a person orders before a worker comes back, mostly nothing.
orders = st.sampled_from([*[None] * 12, "cancel", "withdraw", "reissue", "correct", "void"])
commands = st.sampled_from(
    [
        *("retry", "retry", "refetch", "resume", "renew", "learn", "cancel", "reissue", "reissue"),
        *("correct", "correct otherwise", "void", "void", "void anew"),
    ]
)
happenings = st.sampled_from(
    [
        *("Created", "Created", "Cancelled", "Accepted", "Errored", "forget", "cancel", "take"),
        *("outage", "outage", "down", "leaving", "fair", "fair"),
        *(timedelta(seconds=2), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=26)),
    ]
)
#: While a worker sleeps.
others = ["cancel", "cancelled", "withdraw", "retry", "resume", "renew", "reissue", "correct", "void"]
meanwhile_steps = st.tuples(st.sampled_from([*["work", "pass"] * 3, *others]), gaps, faults)
#: Past the lease, something happens, and another worker goes on: what a sleeper is likeliest to spoil.
stories = st.builds(
    lambda what, faults: [("pass", LATEST, []), (what, LATEST, []), ("work", LATEST, faults), ("work", LATEST, [])],
    st.sampled_from(["work", *others]),
    faults,
)
troubles = st.one_of(
    st.none(),
    st.none(),
    st.tuples(
        st.sampled_from([*Trouble, Trouble.SLEEPS]), st.integers(0, 9), st.lists(meanwhile_steps, max_size=5) | stories
    ),
)
