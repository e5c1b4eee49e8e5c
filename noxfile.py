"""Checks: `nox` runs them all."""

import shutil
from pathlib import Path

import nox

# For each worker: several fight for the cores.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
# Where scripts find what they share with the tests.
HELPERS = {"PYTHONPATH": "tests:benchmarks"}

# Schema -> the files that obey it.
GITHUB_FILES = {
    "citation-file-format": "CITATION.cff",
    "dependabot": ".github/dependabot.yml",
    "github-issue-forms": ".github/ISSUE_TEMPLATE/[!c]*.yml",
    "github-workflows": ".github/workflows/*.yml",
}
SMALL = (
    *("seeds=1", "design.degree=1", "design.max_candidates=2", "proxy.epochs=1"),
    *("proxy.train_images=64", "proxy.select_images=64", "proxy.test_images=16"),
)
FIRST_COMMANDS = (
    ("-c", "import scalectl; assert 'site-packages' not in scalectl.__file__, scalectl.__file__"),
    ("-m", "scalectl", "grid", *(word for key in SMALL for word in ("--set", key))),
    ("-m", "scalectl", "report", "--html", "page.html"),
    ("-m", "scalectl", "scale", "--phi", "4", "--to", "torch"),
)
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
    """Formatting, style, spelling, metadata, and which package may import which."""
    session.install("ruff", "import-linter", "codespell", "validate-pyproject", "check-jsonschema")
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("lint-imports")
    session.run("codespell")
    session.run("validate-pyproject", "pyproject.toml")
    for schema, files in GITHUB_FILES.items():
        paths = sorted(map(str, Path.cwd().glob(files)))
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *paths)


@nox.session
def tests(session: nox.Session) -> None:
    """Types and tests, in one environment: torch is too large to install twice."""
    session.install(".[dev]")
    session.run("mypy")
    session.run("pytest", "-n", "2", *session.posargs, env=ONE_THREAD)


@nox.session
def package(session: nox.Session) -> None:
    """The source archive and its wheel; and what a user does first, by the wheel alone.

    Its dependencies are those of the tests' environment, which must have been made before.
    """
    session.install("build")
    python, folder = Path.cwd() / ".nox" / "tests" / "bin" / "python", Path(session.create_tmp())
    shutil.rmtree(folder)
    session.run("python", "-m", "build", "--outdir", str(folder / "dist"))
    (wheel,) = (folder / "dist").glob("*.whl")
    session.install("--no-deps", "--target", str(folder / "wheel"), str(wheel))
    environment = {**ONE_THREAD, "PYTHONPATH": str(folder.resolve() / "wheel")}
    session.chdir(folder)
    for command in FIRST_COMMANDS:
        session.run(str(python), *command, env=environment, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The site of docs/, with no broken link: nox -s docs -- --site-dir site keeps it."""
    session.install(*DOCS)
    arguments = session.posargs or ("--site-dir", session.create_tmp())
    # What the reference is made of needs neither torch nor the other numerics.
    session.run(
        "mkdocs",
        "build",
        "--strict",
        *arguments,
        env={"PYTHONPATH": ".", "NO_MKDOCS_2_WARNING": "1"},
    )


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
def exports(session: nox.Session) -> None:
    """Files of every family in every format, used in processes without scalectl; the tests use some."""
    python = Path(".nox", "tests", "bin", "python")
    tests = ("tests/contracts/test_emitted.py", "tests/unit/arch/test_block_strings.py")
    session.run(str(python), "-m", "pytest", "--all-families", *tests, *session.posargs)


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
