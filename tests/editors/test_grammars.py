"""The grammars of ``editors/`` are made of the table of tokens; ``test_engines.py`` asks the editors."""

from __future__ import annotations

import pytest
import tooling


def test_files_are_what_the_tool_makes(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever changes the language makes them anew: python tools/make_editors.py --write."""
    assert (tooling.make_editors().main([]), capsys.readouterr().out) == (0, "")


def test_a_stale_file_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The test above can fail."""
    tool = tooling.make_editors()
    monkeypatch.setitem(tool.GROUPS, "mode", "Todo")

    code = tool.main([])

    assert (code, capsys.readouterr().out.split()[0]) == (1, "editors/vim/syntax/pfnlab.vim")
