"""Find the largest size of a family that a device runs within a latency or a memory, by measuring."""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

from scalectl.arch.factory import Baseline
from scalectl.arch.scaling import PHI_LIMIT
from scalectl.arch.sizes import Size
from scalectl.errors import ScalectlError, describe
from scalectl.training.devices import choose_device, peak_memory
from scalectl.training.latency import Latency, measure_latency

Measure = Callable[[Baseline], Latency]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A size, and what it took on a device."""

    size: Size
    latency: Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The largest size within a target, and the sizes on both sides of it that were measured."""

    smaller: Measured | None
    chosen: Measured
    larger: Measured | None
    """None where the largest phi is within the target."""

    @property
    def sizes(self) -> list[Measured]:
        """All of them, the smallest first."""
        return [each for each in (self.smaller, self.chosen, self.larger) if each]


def make_measure(quantity: str, device: str) -> Measure:
    """Return what measures a network: in this process for "seconds", in one of its own for "peak_memory".

    A process keeps the peak of all that it has run. What torch takes without a network is left out.
    """
    if quantity == "seconds":
        return partial(measure_latency, device=device)
    return partial(_measure_apart, device=device)


def _measure_apart(network: Baseline, device: str) -> Latency:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measure_memory, network, device).result()


def _measure_memory(network: Baseline, device: str) -> Latency:
    before = peak_memory(choose_device(device))
    latency = measure_latency(network, device, runs=2, warm_up=1)
    return replace(latency, peak_memory=latency.peak_memory - before)


def find_largest(
    at: Callable[[float], Size], measure: Measure, quantity: str, target: float
) -> Around:
    """Find the largest size whose `quantity`, a field of `Latency`, is at most the target.

    From phi = 0 it doubles the compute until a size exceeds the target, or shrinks it until one does
    not, and halves the step in between down to 0.05, some 3.5 % of the compute: timings vary by as
    much. Raises `ScalectlError` where no size is within the target, or one cannot be run.
    """
    measured: dict[str, Measured] = {}

    def look(step: int) -> Measured:
        size = at(step / _STEPS)
        name = size.architecture.fingerprint
        if name not in measured:  # neighbours may be the same network
            measured[name] = Measured(size=size, latency=_run(measure, size))
        return measured[name]

    def is_within(step: int) -> bool:
        value: float = getattr(look(step).latency, quantity)
        return value <= target

    low, high = 0, 0
    if is_within(0):
        while low == high < _LIMIT:
            high = min(high + _STEPS, _LIMIT)
            low = high if is_within(high) else low
    else:
        while low == high:
            if high == -_LIMIT:
                raise ScalectlError(*_refuse(measured, quantity, target))
            low = max(2 * high or -_STEPS, -_LIMIT)
            high = high if is_within(low) else low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_within(middle) else (low, middle)
    chosen = look(low)
    while low > -_LIMIT and look(low) == chosen:  # the next smaller one, to be shown
        low -= 1
    ordered = sorted(measured.values(), key=lambda each: each.size.cost.macs)
    place = ordered.index(chosen)
    return Around(
        smaller=ordered[place - 1] if place else None,
        chosen=chosen,
        larger=next(iter(ordered[place + 1 :]), None),
    )


_STEPS = 20
"""Sizes that may be measured in one unit of phi."""
_LIMIT = round(PHI_LIMIT * _STEPS)


def _run(measure: Measure, size: Size) -> Latency:
    try:
        return measure(size.architecture)
    except ScalectlError:
        raise
    except Exception as problem:  # of torch, or of a process that the system has ended
        raise ScalectlError(
            f"{size.name} cannot be measured here: {describe(problem)}.",
            "Ask for less, or choose another --device.",
        ) from None


def _refuse(measured: Mapping[str, Measured], quantity: str, target: float) -> tuple[str, str]:
    least = min(measured.values(), key=lambda each: getattr(each.latency, quantity))
    taken = describe_amount(quantity, getattr(least.latency, quantity))
    message = f"No size takes {describe_amount(quantity, target)} or less"
    return f"{message}: {least.size.name} takes {taken}.", "Ask for more."


def describe_amount(quantity: str, amount: float) -> str:
    """Put seconds or bytes into words: "12 ms", "500.0 MB"."""
    return f"{1000 * amount:.4g} ms" if quantity == "seconds" else f"{amount / 1e6:,.1f} MB"
