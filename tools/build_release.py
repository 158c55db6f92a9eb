"""Build the wheel and source archive from the checked-out commit, not from the working tree.

``python tools/build_release.py dist`` exports git's files at HEAD to a separate folder, builds there, and
compares every file in both archives with them. Uncommitted changes are listed but not included. Exit code 0
if both are built, 1 if either contains a file that is not git's, 2 if they cannot be built.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from check_release import Unreadable, members

ROOT = Path(__file__).parents[1]

#: Files that builders generate.
_MADE = ("PKG-INFO", ".dist-info/")


def export(root: Path, into: Path) -> None:
    """
    Export the files of the commit checked out in *root* into *into*.

    :raises Unreadable: *root* is not a checkout
    """
    packed = _git(root, "archive", "--format=tar", "HEAD")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        # Filters arrived in Python 3.11.4. Git's archive needs none, but later versions warn without one.
        if hasattr(tarfile, "data_filter"):
            archive.extractall(into, filter="data")
        else:
            archive.extractall(into)


def uncommitted(root: Path) -> list[str]:
    """
    A line for each uncommitted change in *root*, as printed by ``git status``.

    :raises Unreadable: *root* is not a checkout
    """
    return _git(root, "status", "--porcelain", "--untracked-files=all").decode(errors="replace").splitlines()


def build(tree: Path, into: Path) -> list[Path]:
    """
    Build the wheel and source archive of *tree* in the folder *into*.

    :raises Unreadable: they cannot be built
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into.absolute()), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no message"]
        raise Unreadable(f"the archives cannot be built: {lines[-1]}")
    return sorted([*into.glob("*.whl"), *into.glob("*.tar.gz")])


def strangers(archive: Path, tree: Path) -> list[str]:
    """Return the files in a wheel or source archive that are not identical to those in *tree*."""
    found = []
    for name, content in members(archive):
        inside = name.removeprefix(f"{archive}:")
        original = _original(inside, tree) if archive.suffix == ".whl" else tree / inside.partition("/")[2]
        if any(made in inside for made in _MADE) or original.is_dir():
            continue
        if not original.is_file() or original.read_bytes() != content:
            found.append(name)
    return found


def _original(inside: str, tree: Path) -> Path:
    """Return the file in *tree* that a wheel contains as *inside*; pyproject.toml may have moved it."""
    settings = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {}).get("wheel", {})
    # Shared data is below pfnlab-VERSION.data/data/ in a wheel, and below the environment once installed.
    shared = inside.partition(".data/data/")[2]
    for kind, place in (("force-include", inside), ("shared-data", shared), ("sources", inside)):
        # A folder of sources may be inside another, e.g. pfnlab/litmus in pfnlab.
        for source, target in sorted(wheel.get(kind, {}).items(), key=lambda pair: pair[1], reverse=True):
            if place == target or place.startswith(f"{target}/"):
                return tree / f"{source}{place.removeprefix(target)}"
    return tree / "src" / inside


def _git(root: Path, *words: str) -> bytes:
    command = ["git", "-C", str(root), *words]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError as missing:
        raise Unreadable("git is not on this machine: a release is made of what it has") from missing
    except subprocess.CalledProcessError as failed:
        why = failed.stderr.decode(errors="replace").strip()
        raise Unreadable(f"a release is made of a git checkout: {why}") from failed


def main(arguments: list[str]) -> int:
    """Build into the folder named in *arguments*; see the module."""
    if len(arguments) != 1:
        print("name the folder for wheel and source archive: dist", file=sys.stderr)
        return 2
    try:
        changed = uncommitted(ROOT)
        if changed:
            print(
                f"not committed, and therefore as in the last commit: {len(changed)} files", file=sys.stderr
            )
            print("\n".join(changed), file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="pfnlab-release-") as name:
            tree = Path(name)
            export(ROOT, tree)
            archives = build(tree, Path(arguments[0]))
            found = [line for archive in archives for line in strangers(archive, tree)]
    except Unreadable as why:
        print(why, file=sys.stderr)
        return 2
    for line in found:
        print(f"{line} is not a file of the commit", file=sys.stderr)
    for archive in archives:
        print(archive)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
