"""Python's collector of cyclic garbage, held back where there is none."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# The last round, at the end of the process, would take a third of a second for 10,000 records.
atexit.register(gc.freeze)


@contextmanager
def uncollected() -> Iterator[None]:
    """While a large store is read: records know no cycles, and each round would look at all of them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            # To the oldest generation, unseen: the first round would go through all of it otherwise.
            gc.freeze()
            gc.unfreeze()
            gc.enable()
