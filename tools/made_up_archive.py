"""Run a command against a Debian archive that has moved on: ``made_up_archive.py CASE COMMAND...``.

The package lists are the real ones, modified for the case and signed with a private key; packages come from
the real mirror. The home and cache folders are new and empty. The cases:

``newer``    every kernel is unknown: each series has a new point release, and so do rolling suites
``gone``     neither 6.12 nor any rolling kernel is offered
``expired``  the oldest stable suite's lists have expired
``one``      only the oldest stable suite can be reached
``none``     nothing can be reached
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pfnlab.base.errors import PfnlabError
from pfnlab.lab.images.archive import Archive
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.kernel_offers import SUITES, Search
from pfnlab.lab.images.sources import KEYRING, MIRROR

CASES = ("newer", "gone", "expired", "one", "none")

#: Stand-ins for new kernels: location, reported version, and the real known kernel. The last one is not the
#: rolling kernel that became known last, so that something differs.
_MADE_UP = (
    ("bookworm-security", "6.1.999-1", "6.1.190-1"),
    ("trixie-security", "6.12.999-1", "6.12.116-1"),
    ("sid", "7.3.999-1", "7.3~rc7-1~exp1"),
)

_KERNEL = re.compile(r"linux-(?:image|binary)-(?:unsigned-)?\d.*-cloud-amd64(?:-unsigned)?")
_OLDEST = ("bookworm", "bookworm-updates", "bookworm-security")
_LIMIT = 3600.0


def changed(case: str, lists: Mapping[str, str]) -> dict[str, str]:
    """Return the lists for all suites in this case; an unreachable suite has none."""
    if case == "none":
        return {}
    if case == "one":
        return {suite: text for suite, text in lists.items() if suite in _OLDEST}
    if case == "expired":
        return dict(lists)
    kept = {suite: [one for one in text.split("\n\n") if one.strip()] for suite, text in lists.items()}
    every = [one for stanzas in kept.values() for one in stanzas if _kernel(one)]
    for suite, stanzas in kept.items():
        if case == "gone":
            kept[suite] = [one for one in stanzas if not _kernel(one) or _version(one).startswith("6.1.")]
        else:
            kept[suite] = [one for one in stanzas if not _kernel(one)]
    if case == "newer":
        for suite, said, real in _MADE_UP:
            found = next(one for one in every if _version(one) == real)
            kept[suite].append(_called(found, said))
    return {suite: "\n\n".join(stanzas) + "\n" for suite, stanzas in kept.items()}


def _kernel(stanza: str) -> bool:
    return bool(_KERNEL.fullmatch(_field(stanza, "Package")))


def _version(stanza: str) -> str:
    return _field(stanza, "Version")


def _field(stanza: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    return found[1] if found else ""


def _called(stanza: str, version: str) -> str:
    """Return the package in *stanza* with another version."""
    # The package name of the real kernel.
    kind = "binary" if "-binary-" in _field(stanza, "Package") else "image"
    name = f"linux-{kind}-{version.partition('-')[0]}+made-cloud-amd64"
    stanza = re.sub(r"^Package: .*$", f"Package: {name}", stanza, flags=re.MULTILINE)
    return re.sub(r"^Version: .*$", f"Version: {version}", stanza, flags=re.MULTILINE)


class _Key:
    """A private signing key."""

    def __init__(self, home: Path) -> None:
        self._home = home
        home.mkdir(mode=0o700)
        self._gpg("--passphrase", "", "--quick-gen-key", "Made up <made@example.org>", "rsa2048", "sign")
        self.keyring = home / "public.gpg"
        self._gpg("-o", str(self.keyring), "--export")

    def sign(self, text: str) -> bytes:
        """Sign *text*; return it with the signature."""
        return self._gpg("--clearsign", given=text.encode())

    def close(self) -> None:
        """Stop the agent that GnuPG started for this home."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=False, timeout=60)

    def _gpg(self, *arguments: str, given: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--yes", *arguments]
        return subprocess.run(command, input=given, check=True, capture_output=True, timeout=60).stdout


def _suite(suite: str, packages: str, key: _Key, *, expired: bool) -> dict[str, bytes]:
    """Return the files in a suite, by their paths below ``dists``."""
    plain = packages.encode()
    packed = gzip.compress(plain, 1)
    path = "main/binary-amd64/Packages"
    # Files listed unpacked are fetched packed.
    sums = "".join(
        f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
        for name, content in ((path, plain), (f"{path}.gz", packed))
    )
    day = "%a, %d %b %Y %H:%M:%S UTC"
    until = time.strftime(day, time.gmtime(time.time() + (-3 if expired else 3) * 24 * 3600))
    release = (
        f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\n"
        f"Date: {time.strftime(day, time.gmtime(time.time() - 5 * 24 * 3600))}\nValid-Until: {until}\n"
        f"SHA256:\n{sums}"
    )
    return {f"{suite}/InRelease": key.sign(release), f"{suite}/{path}.gz": packed}


@contextmanager
def serving(files: Mapping[str, bytes], pools: Mapping[str, str]) -> Iterator[str]:
    """Yield the URI of a server with *files* below ``dists`` for both archives; packages are elsewhere.

    :param pools: the real mirror of each archive
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            archive, _, path = self.path.lstrip("/").partition("/")
            content = files.get(path.removeprefix("dists/"))
            if path.startswith("pool/"):
                self.send_response(302)
                self.send_header("Location", f"{pools[archive]}/{path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif content is None:
                self.send_error(404)
            else:
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Suppress the log line of each file."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def real_lists(archive: Archive) -> dict[str, str]:
    """Return the current package lists for every suite."""
    Search(archive, False, lambda line: print(line, file=sys.stderr)).all()
    lists = {}
    for suite in SUITES:
        config = archive.root / suite / "apt.conf"
        environment = {**os.environ, "APT_CONFIG": str(config)}
        command = ["apt-cache", "dumpavail"]
        answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=120)
        lists[suite] = answer.stdout.decode()
    return lists


def main(case: str, command: list[str]) -> int:
    """Run *command* against the archive for *case*; return its exit code."""
    archive = Archive.of_this_machine(cache_root() / "apt")
    security = archive.security or archive.main
    pools = {"debian": archive.main.uri.rstrip("/"), "debian-security": security.uri.rstrip("/")}
    lists = changed(case, real_lists(archive))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pfnlab-made-up-")))
        key = _Key(folder / "key")
        stack.callback(key.close)
        files: dict[str, bytes] = {}
        for suite, packages in lists.items():
            files |= _suite(suite, packages, key, expired=case == "expired" and suite in _OLDEST)
        uri = stack.enter_context(serving(files, pools)) if files else "http://127.0.0.1:9"
        (folder / "home").mkdir()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        for config in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
            if config.exists():
                environment.setdefault("PIP_CONFIG_FILE", str(config))
        environment |= {"HOME": str(folder / "home"), "PFNLAB_CACHE": str(folder / "cache")}
        environment |= {MIRROR: f"{uri}/debian", KEYRING: str(key.keyring)}
        if case == "expired":
            # If the machine's mirror is deliberately frozen, its apt ignores dates.
            (folder / "apt.conf").write_text('Dir::Etc::Parts "/dev/null";\n')
            environment["APT_CONFIG"] = str(folder / "apt.conf")
        return subprocess.run(command, env=environment, check=False, timeout=_LIMIT).returncode


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in CASES:
        print(f"write a case ({', '.join(CASES)}) and a command", file=sys.stderr)
        sys.exit(2)
    if not shutil.which("gpg"):
        print("gpg is missing: it signs the made-up lists", file=sys.stderr)
        sys.exit(3)
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except PfnlabError as trouble:
        print(f"made_up_archive: {trouble}", file=sys.stderr)
        sys.exit(trouble.exit_code)
