"""What all tests share."""

import re

import pytest
from _pytest.terminal import TerminalReporter
from comparing import COMPARED


def pytest_configure(config: pytest.Config) -> None:
    """Register the project's markers."""
    config.addinivalue_line("markers", "lab: needs kernels and QEMU")


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say which kernels were asked, and how much of what they did was compared with the model."""
    lines = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == COMPARED
    ]
    if lines:
        terminalreporter.section("model against kernels")
        for line in sorted(set(lines), key=lambda line: [*map(int, re.findall(r"\d+", line)[:2]), line]):
            terminalreporter.write_line(line)
