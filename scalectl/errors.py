"""Errors that a user can mend: what is wrong, and the next step."""


class ScalectlError(Exception):
    """A problem that the user can mend; shown without a traceback.

    `message` says what is wrong and where, `hint` what is allowed or what to do next. `exit_code`
    is one of the documented ones: 2 usage or config, 3 damaged files, 4 no eligible winner, 6 some
    trials failed.
    """

    def __init__(self, message: str, hint: str = "", *, exit_code: int = 2) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
        self.exit_code = exit_code


class OutOfSpaceError(ScalectlError):
    """The disk is full: what is stored stays, and nothing can go on (exit code 5)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint, exit_code=5)
