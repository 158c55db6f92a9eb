"""The wheel alone: programs by name in an environment that has never seen the repository.

Another environment is made for it, whose dependencies are those of this one; nothing is fetched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pfnlab.programs.runs.golden import NO_GOLDENS

ROOT = Path(__file__).parents[1]

# One environment for all.
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment with nothing but the wheel and what it needs."""
    home = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(home), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=250)
    (wheel,) = home.glob("*.whl")
    venv.create(home / "venv", with_pip=False, symlinks=True)
    python = home / "venv" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, timeout=250)
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        **{"check": True, "capture_output": True, "text": True},
    )
    # The wheel's own packages come first. Paths of an editable installation are not read from here.
    (Path(own.stdout.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "venv" / "bin" / "pfnlab"


def ask(command: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The answer of the command in an empty folder, without anything of this environment."""
    folder = command.parents[2] / "empty"
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [str(command), *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        input=given,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def test_the_wheel_is_what_runs(command: Path) -> None:
    """Not the checkout, which would have the programs in any case."""
    python = str(command.with_name("python"))
    code = "import pfnlab.programs.lang.library as it; print(it.library_folder())"

    said = subprocess.run(
        [python, "-c", code], cwd="/", env={}, capture_output=True, text=True, check=True
    ).stdout

    assert Path(said.strip()).is_relative_to(command.parents[1])


def test_the_wheel_has_the_package_alone(command: Path) -> None:
    """What makes pages of docs/, tools and tests stay in the repository."""
    (record,) = command.parents[1].rglob("pfnlab-*.dist-info/RECORD")
    names = [line.partition(",")[0].split("/") for line in record.read_text(encoding="utf-8").splitlines()]

    # What is installed elsewhere begins with "..": the command, man pages, completion.
    assert {"pfnlab", record.parent.name, ".."} == {words[0] for words in names}


def test_a_program_runs_by_its_name(command: Path) -> None:
    """The demo's first program."""
    answer = ask(command, "run", "munmap-middle")

    assert (0, "") == (answer.returncode, answer.stderr)
    assert answer.stdout.startswith("Unmapping the middle first\n")


def test_all_programs_are_there(command: Path) -> None:
    """Each that is in the folder."""
    answer = ask(command, "litmus", "list")

    listed = [line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")]
    assert sorted(path.stem for path in (ROOT / "litmus").rglob("*.pfn")) == sorted(listed)


def test_what_kernels_did_stays_in_the_repository(command: Path) -> None:
    """Goldens are most of its bytes; what shows them says where they are."""
    said = [ask(command, *words) for words in (("bugs", "show", "A06"), ("discussions", "show", "002.3"))]

    assert [] == list((command.parents[1]).rglob("*.expected.json"))
    assert [(0, ""), (0, "")] == [(answer.returncode, answer.stderr) for answer in said]
    assert [True, True] == [NO_GOLDENS in " ".join(answer.stdout.split()) for answer in said]


def test_the_wheel_is_small(command: Path) -> None:
    """So many bytes at most; without goldens."""
    (wheel,) = command.parents[2].glob("*.whl")

    assert 3_000_000 > wheel.stat().st_size


def test_a_program_is_shown(command: Path) -> None:
    """Its text."""
    text = (ROOT / "litmus" / "unmapping" / "munmap-middle.pfn").read_text()

    assert text == ask(command, "litmus", "show", "munmap-middle").stdout


def test_the_template_runs(command: Path) -> None:
    """Through standard input."""
    template = ask(command, "litmus", "new").stdout

    assert 0 == ask(command, "run", "-", given=template).returncode


def test_a_report_is_made(command: Path) -> None:
    """With its template and its style."""
    run = ask(command, "run", "munmap-middle", "--json", "-o", "run.json")
    page = ask(command, "report", "run.json").stdout

    assert 0 == run.returncode
    assert page.startswith("<!DOCTYPE html>") and "unicode-bidi" in page


def test_the_explorer_is_all_in_it(command: Path) -> None:
    """Its page, its script, its programs and its rules; nothing comes from elsewhere."""
    folder = command.parents[2] / "explorer"
    folder.mkdir()
    process = subprocess.Popen(
        [str(command), "explore", "--no-browser"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        base, _, fragment = process.stderr.readline().split()[-1].partition("#")
        token = fragment.rpartition("token=")[2]

        def asked(kind: str, **words: object) -> dict[str, object]:
            request = Request(
                f"{base}api/{kind}",
                json.dumps({"ask": kind, **words}).encode(),
                {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            )
            answer: dict[str, object] = json.load(urlopen(request, timeout=60))
            return answer

        text = asked("program", name="munmap-middle")["text"]
        picture = asked("picture", program=text, machines=["model:6.1"], step=2)
        assert "LEAKED" in str(picture["svg"])
        assert "S2.4" in str(asked("rule", rule="S2.4.5")["number"])
        assert "A06" == asked("rule", rule="A06")["number"]
        for file in ("", "page.js", "page.css"):
            assert 200 == urlopen(base + file, timeout=60).status
    finally:
        process.kill()
        process.communicate()


def test_what_needs_all_programs_finds_them(command: Path) -> None:
    """A meeting gets past them to its kernel, which is not here."""
    answer = ask(command, "kernels", "meet", "99.1")

    assert 2 == answer.returncode
    assert "99.1" in answer.stderr
