"""Describe the images of a search: on screen before anything is trained, and in reports."""

from collections.abc import Iterator

from scalectl.report.render import pluralise
from scalectl.trial import DataAccount, DataCard

_LISTED = 8
"""Most classes whose images are listed one by one."""


def describe_data(card: DataCard) -> str:
    """Describe the data in lines of text: classes, images, pixels, what was left out, warnings.

    Returns "" for a store of 0.1, which has no account of its data.
    """
    account = card.account
    if account is None:
        return ""
    colours = "grey" if account.channels == 1 else "colour"
    head = f"Data: {card.name}, {card.classes:,} classes, {colours}, "
    return "\n".join(
        [
            f"{head}{describe_pixels(card)}",
            *(f"  {split} {_count(counts)}" for split, counts in account.images.items()),
            *(f"  left out: {text}" for text in [describe_left_out(account)] if text),
            f"  {describe_top1(account)}",
            *(f"  Warning: {warning}" for warning in account.warnings),
        ]
    )


def describe_pixels(card: DataCard) -> str:
    """Write the size of the images, such as "28 px" or "native 64 px (smallest 40, usual 96)"."""
    account = card.account
    if account is None or account.smallest == account.usual == card.native:
        return f"{card.native} px"
    return f"native {card.native} px (smallest {account.smallest}, usual {account.usual})"


def describe_left_out(account: DataAccount) -> str:
    """List what was left out, with the reasons; "" where nothing was."""
    return ", ".join(f"{count:,} {reason}" for reason, count in account.left_out.items())


def describe_top1(account: DataAccount) -> str:
    """State the standard error of a top-1, and the top-1 of always answering the same class."""
    text = (
        f"top-1 of the select split: standard error up to {100 * account.standard_error:.1f} points; "
        f"always answering its most frequent class has {100 * account.majority:.1f} %"
    )
    if account.duplicates:
        text += f"; {pluralise(account.duplicates, 'image')} there more than once"
    return text


def _count(counts: dict[str, int]) -> str:
    total = f"{sum(counts.values()):,}"
    if len(counts) <= _LISTED:
        return f"{total}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}"
    low, high = min(counts.values()), max(counts.values())
    return f"{total}: {low:,}{f' to {high:,}' if high > low else ''} a class"


def list_account(card: DataCard) -> Iterator[tuple[str, str]]:
    """Yield pairs of a heading and a text about the data, for the provenance on a page."""
    account = card.account
    if account is None:
        return
    colours = "grey" if account.channels == 1 else "colour"
    yield "Images", f"{colours}, {describe_pixels(card)}; {describe_top1(account)}"
    if account.left_out:
        yield "Left out", describe_left_out(account)
    if account.warnings:
        yield "Warnings", " ".join(account.warnings)
