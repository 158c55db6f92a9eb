"""Bundle the explorer's page from ``web/source`` into ``src/pfnlab/explorer/page/page.js``: ``make page``.

    python tools/build_page.py [--check]

The built file is kept in the repository so that using it takes only Python. Its first line has a hash of
its sources, which ``--check`` verifies.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parents[1] / "web"
BUILT = WEB.parent / "src" / "pfnlab" / "explorer" / "page" / "page.js"

_HEAD = re.compile(r"^/\* pfnlab explorer, built by `make page`; sources (?P<hash>[0-9a-f]{64}) \*/\n")

#: Files to bundle in addition to our own sources.
_BUNDLED = ("@codemirror", "@lezer", "@marijn", "crelt", "style-mod", "w3c-keyname")


def sources_hash(web: Path = WEB) -> str:
    """Return the hash of all sources of the built file."""
    digest = hashlib.sha256()
    for path in [*sorted((web / "source").glob("*.js")), web / "package.json", web / "package-lock.json"]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def built_of(built: Path = BUILT) -> str | None:
    """Return the source hash recorded in the built file; None if there is none."""
    with built.open(encoding="utf-8") as file:
        match = _HEAD.match(file.readline())
    return match["hash"] if match else None


def build() -> None:
    """Bundle, using the packages in ``package-lock.json``."""
    if not (WEB / "node_modules" / "esbuild").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True)
    bundled = subprocess.run(
        [
            *("node_modules/.bin/esbuild", "source/main.js", "--bundle", "--minify", "--format=iife"),
            *("--target=es2022", "--legal-comments=none", "--charset=utf8"),
        ],
        cwd=WEB,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    head = f"/* pfnlab explorer, built by `make page`; sources {sources_hash()} */\n"
    BUILT.write_text(head + bundled, encoding="utf-8")
    BUILT.with_name("page.js.LICENSES").write_text(_licences(), encoding="utf-8")


def _licences() -> str:
    texts = ["page.js holds these packages besides what is in web/source, each under its licence.\n"]
    for name in _BUNDLED:
        for licence in sorted((WEB / "node_modules" / name).rglob("LICENSE*")):
            package = licence.parent.relative_to(WEB / "node_modules")
            texts.append(f"\n== {package}\n\n{licence.read_text(encoding='utf-8').strip()}\n")
    return "".join(texts)


def main() -> int:
    """Build, or check the built file; return the exit code."""
    if "--check" not in sys.argv[1:]:
        build()
        return 0
    if built_of() == sources_hash():
        return 0
    print(f"{BUILT} is not built of {WEB}: run `make page`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
