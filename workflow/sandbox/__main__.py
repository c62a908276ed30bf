"""`python -m workflow.sandbox amazon|sefaz`: the counterparts without the `nfe` command."""

import argparse
from pathlib import Path

from workflow.sandbox.server import serve_amazon, serve_sefaz
from workflow.sandbox.shipments import demo_shipments


def main() -> None:
    """Serve the counterpart that the command line names until it is told to stop."""
    given = _parser().parse_args()
    said = {"memory": given.memory, "as_json": given.json, "parent_death": given.parent_death}
    if given.counterpart == "sefaz":
        serve_sefaz(given.port, given.control_port, given.folder, **said)
    else:
        held = [] if given.static else [example.shipment() for example in demo_shipments(given.shipments)]
        serve_amazon(given.port, shipments=held, static=given.static, **said)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workflow.sandbox")
    parser.add_argument("counterpart", choices=["amazon", "sefaz"])
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--control-port", type=int, default=0, help="SEFAZ only; 0: a free one")
    parser.add_argument(
        "--folder", type=Path, default=Path("sandbox"), help="SEFAZ only: where its certificates are kept"
    )
    parser.add_argument("--memory", type=Path, help="a folder that remembers across restarts; none: start empty")
    parser.add_argument("--shipments", type=int, default=12, help="Amazon only: how many examples it holds")
    parser.add_argument("--static", action="store_true", help="Amazon only: the official static examples alone")
    parser.add_argument("--json", action="store_true", help="say where it listens as one line of JSON")
    parser.add_argument("--parent-death", action="store_true", help="end when the parent process ends (Linux)")
    return parser


if __name__ == "__main__":
    main()
