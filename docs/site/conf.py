"""How Sphinx builds the site; the pages come from ``tools/build_site.py``, which stages them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from program_lexer import ProgramLexer, TranscriptLexer
from tables import label_cells

project = "pfnlab"
copyright = "the authors of pfnlab, GNU General Public License 2.0 or later"  # Sphinx asks for this name.

extensions = ["myst_parser", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 6
# `--json` in a sentence is an option, no dash.
smartquotes = False
nitpicky = True
# Forms such as `pfnlab run PROGRAM...` are no shell.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# Only what stands behind a prompt is copied.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = "pfnlab"
html_static_path = [str(Path(__file__).parent / "static")]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"},
}


def setup(app: Any) -> None:
    """Programs and transcripts have colours; tables that do not fit become blocks."""
    app.connect("doctree-read", label_cells)
    app.add_lexer("pfn", ProgramLexer)
    app.add_lexer("console", TranscriptLexer)
