"""Checks: `nox` runs them all."""

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting and style."""
    session.install("ruff")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")


@nox.session
def tests(session: nox.Session) -> None:
    """Types and tests, in one environment: torch is too large to install twice."""
    session.install(".[dev]")
    session.run("mypy")
    # One thread for each worker: several fight for the cores.
    session.run("pytest", "-n", "2", *session.posargs, env={"OMP_NUM_THREADS": "1"})
