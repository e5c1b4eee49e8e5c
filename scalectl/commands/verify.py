"""`scalectl verify`: emitted files, compared with what they claim."""

from dataclasses import asdict
from pathlib import Path

import click

from scalectl import exports
from scalectl.commands.shared.help import DocumentedCommand
from scalectl.commands.shared.options import PATH, json_option
from scalectl.commands.shared.output import print_json, say
from scalectl.errors import ScalectlError
from scalectl.exports.checks.conventions import tell


@click.command(cls=DocumentedCommand)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@json_option
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Rebuild emitted files in the libraries they are for, and compare with their claims.

    What counting does not show (norms, activations, padding, dropout, how weights are drawn) is compared
    with a network of the family that the library itself ships: timm, torchvision, transformers, Keras.
    The others ship none.

    A Python module is run for that: verify only what you trust. Exit code 3 where a network is not
    what its file says.
    """
    results = [(path, *exports.verify(path)) for path in files]
    if as_json:
        entries = [
            {"path": str(path), "format": form, **asdict(result)} for path, form, result in results
        ]
        print_json({"schema_version": 1, "files": entries})
    else:
        for path, form, result in results:
            mark = {True: "good", False: "WRONG", None: "not checked"}[result.ok]
            say(f"{path} ({form}): {mark}: {result.note}")
            for line in tell(result.comparison) if result.comparison else [_NO_OWN]:
                say(f"  {line}")
    wrong = [path for path, _, result in results if result.ok is False]
    if wrong:
        raise ScalectlError(
            f"{len(wrong)} of {len(files)} files are wrong; the first is {wrong[0]}.",
            "Do not use them: emit them again with scalectl scale.",
            exit_code=3,
        )


_NO_OWN = "not compared: norms, activations, padding, dropout, initialisation; the format has no networks of its own"
