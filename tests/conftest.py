"""What all tests share."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register the project's markers."""
    config.addinivalue_line("markers", "lab: needs kernels and QEMU")
