"""Kernels of distributions, by their versions."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.bugs.distributions import Backports
from pfnlab.kernel.bugs.kernel_name import kernel_name


@for_each(
    ("version", "name", "backports"),
    [
        ("6.6.87.2-microsoft-standard-WSL2", "WSL2", Backports.FEW),
        ("5.15.167.4-microsoft-standard-WSL2", "WSL2", Backports.FEW),
        ("4.18.0-553.el8_10.x86_64", "Enterprise Linux", Backports.ANY),
        ("5.14.0-503.el9", "Enterprise Linux", Backports.ANY),
        ("3.10.0-1160.el7.x86_64", "Enterprise Linux", Backports.ANY),
        ("5.15.0-205.149.5.1.el9uek.x86_64", "Oracle Linux UEK", Backports.STABLE),
        ("6.8.12-4-pve", "Proxmox VE", Backports.STABLE),
        ("6.4.0-150600.23.47-default", "SUSE Linux Enterprise", Backports.ANY),
        ("6.11.3-1-default", "openSUSE Tumbleweed", Backports.FEW),
        ("5.15.0-91-generic", "Ubuntu", Backports.STABLE),
        ("6.8.0-1015-aws", "Ubuntu", Backports.STABLE),
        ("6.12.117+deb13-cloud-amd64", "Debian", Backports.FEW),
        ("6.11.4-301.fc41.x86_64", "Fedora", Backports.FEW),
        ("6.1.102-111.182.amzn2023.x86_64", "Amazon Linux", Backports.FEW),
        ("6.6.57.1-6.azl3", "Azure Linux", Backports.FEW),
        ("5.15.148.2-2.cm2", "Azure Linux", Backports.FEW),
    ],
)
def test_a_version_names_its_distribution(version: str, name: str, backports: Backports) -> None:
    """And with it what it does not show."""
    family = kernel_name(version).distribution

    assert family is not None
    assert family.name.startswith(name)
    assert backports is family.backports


@for_each("version", ["6.12.25", "6.9-rc3", "v6.9", "6.12.25-myown", "6.3.0-rc6+"])
def test_a_kernel_of_ones_own_is_of_none(version: str) -> None:
    """Nothing is guessed."""
    assert kernel_name(version).distribution is None


def test_a_frozen_number_is_said_to_say_nothing() -> None:
    """And which command prints the changelog."""
    family = kernel_name("5.14.0-503.el9").distribution

    assert family is not None
    assert "its bugs do not follow from the version" in family.about("5.14")
    assert "rpm -q --changelog" in family.about("5.14")
