"""The notebook in examples/, executed as a reader would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

EXAMPLES = Path(__file__).parents[2] / "examples"


def executed(notebook: Any) -> Any:
    """*notebook*, run from top to bottom in a kernel of its own, with this Python."""
    client = NotebookClient(
        notebook, timeout=200, kernel_name="python3", resources={"metadata": {"path": "."}}
    )
    return client.execute()


def read(path: Path) -> Any:
    """The notebook in the file."""
    return nbformat.read(path, as_version=4)


def shown(notebook: Any) -> list[dict[str, str]]:
    """What the code cells show, by kind."""
    return [
        dict(output["data"]) if "data" in output else {"text/plain": output["text"]}
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


def texts(outputs: list[dict[str, str]]) -> list[str]:
    """The outputs as text, without the times of searches."""
    return [re.sub(r"[\d.]+ s \([\d,]+ states/s\)", "TIME", output["text/plain"]) for output in outputs]


@pytest.mark.timeout(290)
def test_the_tour_runs() -> None:
    """Every cell, and it shows what its text says."""
    outputs = shown(executed(read(EXAMPLES / "tour.ipynb")))

    assert "bar[0:8] wc  LEAKED" in [output["text/plain"] for output in outputs]
    results = "{'model:7.2': True, 'model:7.2,tracker=vm_pat': False, 'model:7.2,tracker=exact': True}"
    assert results in [output["text/plain"].replace("\n", "").replace(",  ", ", ") for output in outputs]
    assert 3 <= sum("<table" in output.get("text/html", "") for output in outputs)
    assert not any("<script" in output.get("text/html", "") for output in outputs)
    # Write them again with `jupyter execute --inplace examples/tour.ipynb`.
    assert texts(shown(read(EXAMPLES / "tour.ipynb"))) == texts(outputs)


def test_an_output_of_another_day_is_noticed() -> None:
    """But for the time that a search took."""
    before, faster, other = (
        {"text/plain": f"{n} states, {s} s (2 states/s)"} for n, s in ((3, 1.5), (3, 0.1), (4, 0.1))
    )

    assert texts([before]) == texts([faster])
    assert texts([before]) != texts([other])


def test_a_wrong_cell_is_noticed() -> None:
    """An error in a cell is an error here."""
    cell = nbformat.v4.new_code_cell("import pfnlab as pl\npl.machine('model:99')")

    with pytest.raises(CellExecutionError, match="there is no kernel profile '99'"):
        executed(nbformat.v4.new_notebook(cells=[cell]))
