"""Distribution kernels: which distribution a version belongs to, and which fixes the version implies.

Most follow a stable series, so the version determines the fixes. Enterprise kernels keep a release number for
years while thousands of commits are backported, so the version says nothing about any one fix.
"""

import re
from enum import Enum

import msgspec


class Backports(Enum):
    """The extent to which a distribution backports without the kernel version showing it."""

    #: The version names the stable release, and few commits are added to it.
    FEW = "few"
    #: Fixes from stable series are still added years after the version number stopped changing.
    STABLE = "stable"
    #: Fixes and features from any later release are added.
    ANY = "any"


class Distribution(msgspec.Struct, frozen=True):
    """A family of kernel packages.

    :param name: the distribution's name
    :param backports: what is added to the release named in the version
    :param changelog: the command that prints the package's changelog, with VERSION where the version goes
    """

    name: str
    backports: Backports
    changelog: str = ""

    def about(self, base: str) -> str:
        """Say in one sentence what the version reveals and what it does not.

        :param base: the release named in the version, ``6.6.87`` or ``5.14``
        """
        match self.backports:
            case Backports.FEW:
                return f"{self.name}: built from {base}; extra backports are not known."
            case Backports.STABLE:
                said = f"{self.name}: based on {base}, with later stable fixes that it does not show."
            case Backports.ANY:
                said = (
                    f"{self.name}: keeps the number {base} and backports fixes and features, "
                    "so its bugs do not follow from the version."
                )
        how = f" (`{self.changelog}`)" if self.changelog else ""
        return f"{said} --changelog reads the package's changelog{how}."


_RPM = "rpm -q --changelog {}"
_APT = "apt changelog {}"

#: A pattern to look for in the version, and the family it indicates; the first match counts.
_FAMILIES: tuple[tuple[re.Pattern[str], Distribution], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), Distribution(name, backports, changelog))
    for pattern, name, backports, changelog in (
        (r"microsoft-standard|-WSL2", "WSL2 (Microsoft)", Backports.FEW, ""),
        (r"\.(?:azl|cm)[0-9]", "Azure Linux (Microsoft)", Backports.FEW, _RPM.format("kernel")),
        (r"el[0-9]+uek", "Oracle Linux UEK", Backports.STABLE, _RPM.format("kernel-uek-core")),
        (
            r"[.-]el[0-9]+(?:_[0-9]+)?(?![a-z])",
            "Enterprise Linux (RHEL, Rocky, Alma, CentOS, Oracle)",
            Backports.ANY,
            _RPM.format("kernel-core"),
        ),
        (r"\.amzn[0-9]", "Amazon Linux", Backports.FEW, _RPM.format("kernel")),
        (r"\.fc[0-9]", "Fedora", Backports.FEW, _RPM.format("kernel-core")),
        (r"-(?:[0-9]+-)?pve\b", "Proxmox VE", Backports.STABLE, _APT.format("proxmox-kernel-VERSION")),
        (
            r"^-[1-9][0-9]{4,5}\.[0-9.]+|^-[1-9][0-9]{5}\b|\.(?:TDC|sle)",
            "SUSE Linux Enterprise or Leap",
            Backports.ANY,
            _RPM.format("kernel-default"),
        ),
        (r"^-[0-9.]+-default\b", "openSUSE Tumbleweed", Backports.FEW, _RPM.format("kernel-default")),
        (
            r"^-[0-9]+(?:\.[0-9]+)?(?:~[0-9.]+)?-(?:generic|lowlatency|aws|azure|gcp|gke|oracle|kvm|raspi|ibm"
            r"|oem|nvidia|intel|realtime|xilinx|fips)|^-[0-9]{1,4}\.[0-9]{1,4}(?:~[0-9.]+)?(?:\+[0-9]+)?$",
            "Ubuntu",
            Backports.STABLE,
            _APT.format("linux-modules-VERSION"),
        ),
        (r"\+deb[0-9]|\+bpo|^-[0-9]+(?:-cloud|-rt)?-(?:amd64|arm64|686|armmp)", "Debian", Backports.FEW, ""),
        (r"^-arch|^-zen|^-lts\b|-hardened", "Arch Linux", Backports.FEW, ""),
        (r"-android[0-9]", "Android", Backports.FEW, ""),
        (r"\+rpt|-rpi", "Raspberry Pi OS", Backports.FEW, ""),
        (r"-openela|-cip", "a tree that continues an old series", Backports.FEW, ""),
    )
)


def distribution_of(rest: str) -> Distribution | None:
    """The kernel family named in *rest*, the part of the version after the release and point release."""
    return next((family for pattern, family in _FAMILIES if pattern.search(rest)), None)
