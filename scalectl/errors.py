"""Errors that a user can mend: what is wrong, and the next step."""


class ScalectlError(Exception):
    """A problem that the user can mend; shown without a traceback.

    `message` says what is wrong and where, `hint` what is allowed or what to do next. `exit_code`
    is one of the documented ones: 2 usage or config, 3 damaged files, 4 no eligible winner, 6 some
    trials failed, 129, 130 and 143 interrupted.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 2) -> None:
        self.message = shorten(message)
        self.hint = shorten(hint)
        super().__init__(f"{self.message} {self.hint}".strip())
        self.exit_code = exit_code


class OutOfSpaceError(ScalectlError):
    """The disk is full: what is stored stays, and nothing can go on (exit code 5)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, exit_code=5)


def describe(problem: BaseException) -> str:
    """Return an exception's text on one printable line; its type where it has no text, or a broken one."""
    try:
        text = str(problem)
    except Exception:
        text = ""
    return shorten(printable(" ".join(text.split()))) or type(problem).__name__


def printable(text: str) -> str:
    """Escape what a terminal would obey: names and reasons may come from anyone's files."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else ascii(sign)[1:-1] for sign in text
    )


def shorten(text: str) -> str:
    """Leave out the middle of a text of more than 1,500 characters, which nobody would read."""
    return text if len(text) <= 1500 else f"{text[:1000]} [...] {text[-400:]}"
