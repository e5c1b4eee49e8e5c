"""Checks: `nox` runs them all."""

from pathlib import Path

import nox

# For each worker: several fight for the cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# Where scripts find what they share with the tests.
HELPERS = {"PYTHONPATH": "tests:benchmarks"}

DOCS = (
    "annotated-types",
    "click",
    "mkdocs-click>=0.9",
    "mkdocs-jupyter>=0.25",
    "mkdocs-material>=9.6,<10",
    "mkdocs>=1.6,<2",
    "mkdocstrings[python]>=0.30",
)

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session
def lint(session: nox.Session) -> None:
    """Formatting, style, and which package may import which."""
    session.install("ruff", "import-linter")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Types and tests, in one environment: torch is too large to install twice."""
    session.install(".[dev]")
    session.run("mypy")
    session.run("pytest", "-n", "2", *session.posargs, env=ONE_THREAD)


@nox.session
def docs(session: nox.Session) -> None:
    """The site of docs/, with no broken link: nox -s docs -- --site-dir site keeps it."""
    session.install(*DOCS)
    arguments = session.posargs or ("--site-dir", session.create_tmp())
    # What the reference is made of needs neither torch nor the other numerics.
    session.run("mkdocs", "build", "--strict", *arguments, env={"PYTHONPATH": "."})


@nox.session(venv_backend="none", default=False)
def coverage(session: nox.Session) -> None:
    """The tests again, and which lines of the package they reach."""
    python = Path(".nox", "tests", "bin", "python")
    session.run(str(python), "-m", "pytest", "-n", "2", "--cov", *session.posargs, env=ONE_THREAD)


@nox.session(venv_backend="none", default=False)
def gpu(session: nox.Session) -> None:
    """The tests that need a GPU, in the environment that nox runs in."""
    session.run("python", "-m", "pytest", "-m", "gpu", *session.posargs)


@nox.session(venv_backend="none", default=False)
def chaos(session: nox.Session) -> None:
    """Searches killed at random, for hours if need be: nox -s chaos -- --minutes 60."""
    run_script(session, "tests/chaos.py", *(session.posargs or ("--minutes", "30")))


@nox.session(venv_backend="none", default=False)
def load(session: nox.Session) -> None:
    """What thousands of trials ask of the command that drives them: nox -s load -- --trials 10000."""
    run_script(session, "benchmarks/driver_load.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def simulation(session: nox.Session) -> None:
    """How well the selection chooses where the truth is known, as a table."""
    run_script(session, "benchmarks/simulation.py", *session.posargs)


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """What is fast and what is not, as a table: nox -s bench -- --write keeps it.

    Alone on the machine, please.
    """
    run_script(session, "benchmarks/bench.py", *session.posargs)


def run_script(session: nox.Session, script: str, *arguments: str) -> None:
    """In the environment of the tests, which must have been made before."""
    python = Path(".nox", "tests", "bin", "python")
    session.run(str(python), script, *arguments, env={**ONE_THREAD, **HELPERS})
