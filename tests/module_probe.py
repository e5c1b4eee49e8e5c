"""Which modules a command loads."""

import json
import subprocess
import sys
from pathlib import Path

PROBE = """
import json, sys
from click.testing import CliRunner
from scalectl.cli import main
result = CliRunner().invoke(main, sys.argv[1:])
assert result.exit_code == 0, result.output
print(json.dumps(sorted(sys.modules)))
"""


def list_modules(script: str, *arguments: str, folder: Path) -> set[str]:
    command = [sys.executable, "-c", script, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))
