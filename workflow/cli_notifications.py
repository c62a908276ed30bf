"""`nfe notifications`: where Amazon sends a seller's notifications."""

import json as text
from typing import Annotated

import typer

from workflow import display
from workflow.cli_options import Seller
from workflow.clients.notifications_api import NotificationsApi, check_arn, queue_policy
from workflow.installation import ready
from workflow.stops import Side
from workflow.subscriptions import Agreed, remove, setup

app = typer.Typer(no_args_is_help=True, help="Amazon's notifications: where they go, and for which seller.")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

#: What a person must do with the policy.
ADVICE = (
    "This is the access policy that the queue needs (in SQS: the queue, Access policy). A queue encrypted with a KMS"
    " key of your own also needs kms:GenerateDataKey and kms:Decrypt for the same principal in the key's policy."
)


@app.command("setup")
def setup_notifications(
    queue_arn: Annotated[str, typer.Option("--queue-arn", help="ARN of your SQS standard queue.")],
    seller: Seller,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask Amazon, and say what would be done.")] = False,
    json: Json = False,
) -> None:
    """Let Amazon send a seller's notifications to your queue; safe to repeat. Prints the policy the queue needs."""
    policy = queue_policy(check_arn(queue_arn))
    if not json:
        # Before Amazon is asked: it refuses a queue that it may not write to.
        print(text.dumps(policy, indent=2), flush=True)
        display.console.print(ADVICE)
    agreed = setup(_api(seller), queue_arn, dry_run=dry_run)
    if json:
        display.as_json({"policy": policy, "dry_run": dry_run} | agreed._asdict())
    else:
        _tell(agreed, seller, "would " if dry_run else "did: ")


@app.command("list")
def list_notifications(seller: Seller, json: Json = False) -> None:
    """The application's destinations, and which of them the seller's notifications go to."""
    api = _api(seller)
    subscription = api.subscription()
    rows = [
        known._asdict()
        | {"subscription": subscription.id if subscription and subscription.destination_id == known.id else None}
        for known in api.destinations()
    ]
    columns = ["id", "name", "arn", "subscription"]
    display.as_json(rows) if json else display.table(rows, columns)


@app.command("remove")
def remove_notifications(
    seller: Seller,
    destination: Annotated[
        bool, typer.Option("--destination", help="Also forget the queue, which other sellers may use.")
    ] = False,
    json: Json = False,
) -> None:
    """End a seller's subscription: no shipment of the seller's is announced any more."""
    agreed = remove(_api(seller), with_destination=destination)
    display.as_json(agreed._asdict()) if json else _tell(agreed, seller, "")


def _api(seller: str) -> NotificationsApi:
    return ready().seller(seller, Side.AMAZON).notifications


def _tell(agreed: Agreed, seller: str, verb: str) -> None:
    said = "; ".join(agreed.steps) or "nothing to do"
    ids = f"destination {agreed.destination_id or '-'}, subscription {agreed.subscription_id or '-'}"
    display.console.print(f"seller {seller}: {verb if agreed.steps else ''}{said} ({ids})")
