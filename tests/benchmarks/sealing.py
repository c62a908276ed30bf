"""Sealing and opening a field, beside Fernet, which sealed before, and beside its floor: AES-256-GCM alone."""

import os
import time
from collections.abc import Callable
from functools import partial

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workflow.crypto import Vault
from workflow.key_source import new_key

Call = Callable[[], object]

#: A verdict, an NF-e, a large one.
SIZES = (500, 10_000, 100_000)
PLACE = ("document", "A2DEMOSELLER01/DHWfK6hzW", "nfe")


def run() -> None:
    """Print microseconds and ratios for each size."""
    key, nonce = new_key(), os.urandom(12)
    vault, fernet, floor = Vault([key]), Fernet(key), AESGCM(os.urandom(32))
    for size in SIZES:
        plain = os.urandom(size)
        sealed, token, bare = vault.seal(plain, *PLACE), fernet.encrypt(plain), floor.encrypt(nonce, plain, None)
        _tell(
            "seal",
            size,
            partial(vault.seal, plain, *PLACE),
            partial(fernet.encrypt, plain),
            partial(floor.encrypt, nonce, plain, None),
        )
        _tell(
            "open",
            size,
            partial(vault.open, sealed, *PLACE),
            partial(fernet.decrypt, token),
            partial(floor.decrypt, nonce, bare, None),
        )
        print(f"stored {size:>9,} bytes as {len(sealed):,}, by Fernet as {len(token):,}")


def _tell(what: str, size: int, *calls: Call) -> None:
    ours, before, least = (_spent(call, size) for call in calls)
    print(
        f"{what:6} {size:>9,} bytes {ours:6.1f} µs = {ours / least:.1f} x AES-GCM alone, {ours / before:.2f} x Fernet"
    )


def _spent(call: Call, size: int) -> float:
    """CPU microseconds of one call, the best of five rounds."""
    times = max(20, 2_000_000 // (size + 1000))
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            call()
        rounds.append(time.process_time() - began)
    return min(rounds) / times * 1e6
