"""The notebook of the documentation runs, and shows what it shows; `python tests/cli/test_notebook.py` writes it anew."""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def execute() -> Any:
    """Run all cells in a kernel of its own, where the notebook is."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it was run
    return notebook


def list_texts(notebook: Any) -> list[str]:
    """List what cells print and return, figures aside, whose last pixel depends on versions."""
    return [
        output.get("text") or output.data.get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/svg+xml" not in output.get("data", {})
    ]


def test_its_outputs_are_those_of_its_cells() -> None:
    committed = nbformat.read(NOTEBOOK, as_version=4)
    executed = execute()
    assert list_texts(executed) == list_texts(committed)
    pictures = [
        output.data["image/svg+xml"]
        for cell in executed.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/svg+xml" in output.get("data", {})
    ]
    assert len(pictures) == 1
    assert "IDENTIFIED" in pictures[0]


if __name__ == "__main__":
    nbformat.write(execute(), NOTEBOOK)
