"""The folder examples/: a script, executed as a reader would; test_notebook.py executes the notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_tour_is_kept_with_outputs() -> None:
    """A reader needs no Jupyter, and the first cell says how to open it with one."""
    notebook = json.loads((EXAMPLES / "tour.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]

    assert cells
    assert all(cell["outputs"] for cell in cells)
    assert "`jupyter lab tour.ipynb`" in "".join(notebook["cells"][0]["source"])


def test_the_script_tells_the_story() -> None:
    """Its types are checked with the sources."""
    ran = subprocess.run([sys.executable, EXAMPLES / "story.py"], capture_output=True, text=True, check=True)

    assert ["model:6.1 bar[0:8] wc", "model:7.2 nothing"] == ran.stdout.splitlines()
