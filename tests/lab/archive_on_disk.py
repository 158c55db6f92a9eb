"""A Debian archive of one fake kernel in a directory, signed with a key made on the spot."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from pathlib import Path

PACKAGE = "linux-binary-7.3-cloud-amd64"
VERSION = "7.3~rc7-1~exp1"
RELEASE = "7.3-cloud-amd64"


def bzimage(release: str) -> bytes:
    """The least that passes for a bzImage: the setup header with a version string."""
    image = bytearray(0x1000)
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", image, 0x20E, 0x400)
    text = f"{release} (build@host) #1 SMP".encode() + b"\0"
    image[0x600 : 0x600 + len(text)] = text
    return bytes(image)


class DebianOnDisk:
    """``dists/`` and ``pool/`` under *root*; nothing is signed until `sign` is called."""

    def __init__(self, root: Path, suite: str, member: str = f"boot/vmlinuz-{RELEASE}") -> None:
        self.root = root
        self.suite = suite
        self.dist = root / "dists" / suite
        tree = root / "tree"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            f"Package: {PACKAGE}\nVersion: {VERSION}\nArchitecture: amd64\nMaintainer: Nobody <no@body>\n"
            "Description: a fake kernel\n"
        )
        (tree / member).parent.mkdir(parents=True)
        (tree / member).write_bytes(bzimage(RELEASE))
        pool = root / "pool"
        pool.mkdir()
        self.deb = pool / f"{PACKAGE}_{VERSION}_amd64.deb"
        command = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(self.deb)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        control = (tree / "DEBIAN" / "control").read_text()
        content = self.deb.read_bytes()
        self.write_index(
            f"{control}Filename: pool/{self.deb.name}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        )

    def write_index(self, index: str) -> None:
        """Write the list of packages and the Release file over it."""
        packages = self.dist / "main" / "binary-amd64" / "Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        packages.write_text(index)
        digest = hashlib.sha256(index.encode()).hexdigest()
        (self.dist / "Release").write_text(
            f"Origin: Debian\nSuite: {self.suite}\nCodename: {self.suite}\nArchitectures: amd64\n"
            "Components: main\nDate: Sat, 01 Jun 2024 00:00:00 UTC\n"
            f"SHA256:\n {digest} {len(index)} main/binary-amd64/Packages\n"
        )

    def sign(self, key: Key) -> None:
        """Sign the Release file as it is now."""
        signed = self.dist / "InRelease"
        signed.unlink(missing_ok=True)
        key.gpg("--clearsign", "-o", str(signed), str(self.dist / "Release"))


class Key:
    """A signing key in a GnuPG home of its own; *keyring* is its public half."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)
        self.gpg("--passphrase", "", "--quick-gen-key", "Archive <archive@example.org>", "rsa2048", "sign")
        self.keyring = home / "public.gpg"
        self.gpg("-o", str(self.keyring), "--export")

    def gpg(self, *arguments: str) -> None:
        """Run GnuPG on this key."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def close(self) -> None:
        """Stop the agent that GnuPG has started for this home."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, timeout=60)
