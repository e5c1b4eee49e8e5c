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
    lines = [
        f"Data: {card.name}, {card.classes:,} classes, {_describe_images(account, card.native)}"
    ]
    lines += [f"  {split} {_count(counts)}" for split, counts in account.images.items()]
    if account.left_out:
        lines.append(f"  left out: {_describe_left_out(account)}")
    lines.append(f"  {_describe_top1(account)}")
    lines += [f"  Warning: {warning}" for warning in account.warnings]
    return "\n".join(lines)


def list_account(card: DataCard) -> Iterator[tuple[str, str]]:
    """Yield pairs of a heading and a text about the data, for the provenance on a page."""
    account = card.account
    if account is None:
        return
    yield "Images", f"{_describe_images(account, card.native)}; {_describe_top1(account)}"
    if account.left_out:
        yield "Left out", _describe_left_out(account)
    if account.warnings:
        yield "Warnings", " ".join(account.warnings)


def _describe_images(account: DataAccount, native: int) -> str:
    """Write colours and size, such as "grey, 28 px" or "colour, native 64 px (smallest 40, usual 96)"."""
    colours = "grey" if account.channels == 1 else "colour"
    if account.smallest == account.usual == native:
        return f"{colours}, {native} px"
    return f"{colours}, native {native} px (smallest {account.smallest}, usual {account.usual})"


def _describe_left_out(account: DataAccount) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in account.left_out.items())


def _describe_top1(account: DataAccount) -> str:
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
