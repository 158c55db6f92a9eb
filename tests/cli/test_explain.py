"""``pfnlab explain`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asking import Ask
from for_each import for_each

LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"


def test_a_line_is_explained(ask: Ask) -> None:
    """The answer first, what to do, and the bugs, on twelve lines."""
    answer = ask("explain", LINE)

    rows = answer.out.splitlines()
    assert (0, True) == (answer.code, len(rows) <= 12)
    assert rows[0].startswith("1 thing, may be: Xorg (pid 1234) released 16 KiB at 0xf8004000 without")
    assert "bug: one of A16, P02, A07" in answer.out


def test_lines_and_files_have_one_result(ask: Ask, tmp_path: Path) -> None:
    """The same keys, whether or not files were joined."""
    (tmp_path / "iomem").write_text(
        "00000000-00000fff : Reserved\nf8000000-f8003fff : 0000:01:00.0\n", "utf-8"
    )

    line, files = (json.loads(ask("explain", words, "--json").out) for words in (LINE, str(tmp_path)))

    assert list(line) == list(files)


def test_long_has_everything(ask: Ask) -> None:
    """Whom, whether something is leaked, and which versions."""
    said = " ".join(ask("explain", "--long", LINE).out.split())

    assert "task Xorg, pid 1234; bytes 0xf8004000 up to 0xf8008000 (16 KiB)" in said
    assert "Not from the line alone" in said
    assert "A06: since 2.6.29; fixed in 6.16 (f8e97613fed2), in no stable series." in said


def test_lines_fit_a_terminal(ask: Ask) -> None:
    """With --long and an errno too."""
    asked = (("--long", LINE), ("--errno", "EINVAL", "mmap", "resource0"))
    lines = [line for words in asked for line in ask("explain", *words).out.splitlines()]

    assert [] == [line for line in lines if len(line) > 80]


def test_the_bugs_are_those_of_the_kernel(ask: Ask) -> None:
    """6.16 has no A06."""
    assert "6.1.85 has A06" in ask("explain", "--long", "--kernel", "6.1.85", LINE).out
    assert "A06" not in ask("explain", "--long", "--kernel", "6.16.3", LINE).out


def test_a_file_and_standard_input_are_read(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both say what the line does."""
    log = tmp_path / "dmesg.txt"
    log.write_text(f"[    1.0] {LINE}\n", encoding="utf-8")
    with log.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)

        answer = ask("explain", "-")

    assert ask("explain", str(log)).out == answer.out


def test_json_has_values(ask: Ask) -> None:
    """Ranges are half-open."""
    content = json.loads(ask("explain", LINE, "--json").out)

    assert (1, True) == (content["to_review"], content["answer"].startswith("1 thing, may be: Xorg"))
    ((event,),) = [boot["events"] for boot in content["boots"]]
    assert ("Xorg", 1234) == (event["comm"], event["pid"])
    assert [("0xf8004000", "0xf8008000")] == [(place["start"], place["end"]) for place in event["places"]]


def test_what_is_not_understood_is_undecided(ask: Ask) -> None:
    """Exit code 3, and nothing is invented."""
    answer = ask("explain", "usb 1-1: new high-speed USB device")

    assert 3 == answer.code
    assert answer.out.startswith("Nothing about PFN mappings")


def test_an_errno_has_causes(ask: Ask) -> None:
    """Each with its check."""
    answer = ask("explain", "--errno", "EINVAL", "mmap", "resource0")

    assert 0 == answer.code
    assert "check: " in answer.out


@for_each(
    "words", [("EINVAL mmap resource0",), ("EINVAL mmap", "resource0"), ("einval", "mmap", "resource0")]
)
def test_a_failed_call_may_be_one_word(ask: Ask, words: tuple[str, ...]) -> None:
    """As a program passes it, or in quotes."""
    whole = ask("explain", "--errno", "EINVAL", "mmap", "resource0")

    assert whole.out == ask("explain", "--errno", *words).out


@for_each(
    ("words", "message"),
    [
        (
            ("nowhere.txt",),
            "nowhere.txt: no such file: check the path; put a log line in quotes",
        ),
        (("/dev/zero",), "/dev/zero: this is a device: name a log file"),
        (("/proc/self/task",), "/proc/self/task: no files in this directory: name the files"),
        (("--errno", "EXDEV", "mmap", "resource0"), "no causes of 'EXDEV' are known"),
        (("--errno", "EINVAL", "mmap", "nothing"), "is not a known way to map"),
        (("--errno", "EINVAL mmap nothing"), "is not a known way to map"),
        (("--errno", " "), "no causes of ' ' are known"),
        (("--kernel", "new", LINE), "new"),
    ],
)
def test_misuse_is_one_line(words: tuple[str, ...], message: str, ask: Ask) -> None:
    """With what to write instead: exit code 2."""
    answer = ask("explain", *words)

    assert (2, "") == (answer.code, answer.out)
    assert message in answer.err
    assert 1 == len(answer.err.splitlines())


_LIST = "PAT memtype list:\nPAT: [mem 0x0000000090000000-0x0000000091000000] write-combining\n"
_IOMEM = "00000000-00000fff : Reserved\n90000000-9fffffff : 0000:03:00.0\n  90000000-905fffff : efifb\n"
_LSPCI = (
    "00:00.0 Host bridge [0600]: A [8086:1237]\n"
    "03:00.0 VGA compatible controller [0300]: B [1002:73bf]\n"
    "\tRegion 0: Memory at 90000000 (64-bit, prefetchable) [size=256M]\n\tKernel driver in use: vfio-pci\n"
)
_CLAIMED = "1 thing: efifb, the boot framebuffer, claims"


def _written(folder: Path) -> list[str]:
    """Three files of a machine in a folder."""
    names = []
    for name, text in (("a-list", _LIST), ("b-iomem", _IOMEM), ("c-lspci", _LSPCI)):
        (folder / name).write_text(text, encoding="utf-8")
        names.append(str(folder / name))
    return names


def test_several_files_are_joined(tmp_path: Path, ask: Ask) -> None:
    """As arguments in any order, as a folder and as one text: the same answer, and it is a discovery."""
    names = _written(tmp_path)

    answers = [
        ask("explain", *names),
        ask("explain", *reversed(names)),
        ask("explain", str(tmp_path)),
        ask("explain", _LSPCI + _LIST + _IOMEM),
    ]

    assert [1] * 4 == [answer.code for answer in answers]
    assert all(answer.out.startswith(_CLAIMED) for answer in answers)
    assert all("cannot be told\n  without /proc/PID/maps" in answer.out for answer in answers)


def test_inspect_finds_the_same_in_a_text(tmp_path: Path, ask: Ask) -> None:
    """One code path: the findings of both are equal."""
    text = tmp_path / "text"
    text.write_text(f"$ lspci -vvnn\n{_LSPCI}> quoted\n{_IOMEM}{_LIST}", encoding="utf-8")

    explained, inspected = (json.loads(ask(verb, str(text), "--json").out) for verb in ("explain", "inspect"))

    assert inspected["findings"] == explained["findings"]
    assert ["claimed_by_another"] == [one["finding"]["kind"] for one in explained["findings"]]
    assert 1 == explained["to_review"]


def test_a_reservation_that_may_be_leaked_is_undecided(ask: Ask) -> None:
    """Nothing in three files says whether a process maps it."""
    unbound = _LSPCI.partition("\tKernel driver")[0]

    answer = ask("explain", _LIST + _IOMEM.replace("  90000000-905fffff : efifb\n", "") + unbound)

    assert 3 == answer.code
    assert answer.out.startswith("Not decided: 16 MiB of BAR 0 of 0000:03:00.0 stay reserved")


def test_files_of_a_healthy_machine_need_nothing(ask: Ask) -> None:
    """The driver holds what is reserved, and has claimed it."""
    healthy = (_LIST + _IOMEM + _LSPCI).replace("vfio-pci", "amdgpu").replace("efifb", "amdgpu")

    answer = ask("explain", healthy)

    assert (0, "Nothing to do.") == (answer.code, answer.out.partition("\n")[0])


def test_a_file_that_is_not_there_is_named_beside_others(tmp_path: Path, ask: Ask) -> None:
    """It is no line."""
    names = _written(tmp_path)

    answer = ask("explain", *names, "nowhere.txt")

    assert 2 == answer.code
    assert "nowhere.txt: no such file" in answer.err


def test_a_kernel_that_never_was_is_refused(ask: Ask) -> None:
    """As by `bugs affects`; its line would be explained for a kernel of the future."""
    answer = ask(
        "explain", "--kernel", "6.99", "x86/PAT: Xorg:1 freeing invalid memtype [mem 0xfd000000-0xfd003fff]"
    )

    assert (2, "", "pfnlab: 6.99 is not a known kernel: the last 6.x is 6.19\n") == (
        answer.code,
        answer.out,
        answer.err,
    )


def test_nothing_is_said_once(tmp_path: Path, ask: Ask) -> None:
    """An empty file is one line."""
    empty = tmp_path / "empty"
    empty.touch()

    assert 1 == len(ask("explain", str(empty)).out.splitlines())


def test_an_open_has_its_own_causes_of_an_errno(ask: Ask) -> None:
    """STRICT_DEVMEM is none of them."""
    opened, any_call = (ask("explain", "--errno", "EPERM", *words, "/dev/mem") for words in (("open",), ()))

    assert ["CAP_SYS_RAWIO" in one.out for one in (opened, any_call)] == [True, True]
    assert ["iomem=relaxed" in one.out for one in (opened, any_call)] == [False, True]


def test_holes_and_neighbours_are_counted_on_the_screen(ask: Ask) -> None:
    """The drawing is in --long."""
    text = _LIST + _IOMEM + _LSPCI

    assert "around the findings: 1 hole and 2 neighbours; --long draws them" in ask("explain", text).out


def test_a_prefetchable_bar_that_is_reserved_uncached_is_a_finding_of_both(tmp_path: Path, ask: Ask) -> None:
    """The same one, from the same place."""
    text = tmp_path / "text"
    listing = _LSPCI.replace("vfio-pci", "acmedrm")
    text.write_text(_LIST.replace("91000000] write-combining", "a0000000] uncached-minus") + listing, "utf-8")

    kinds = [
        [one["finding"]["kind"] for one in json.loads(ask(verb, str(text), "--json").out)["findings"]]
        for verb in ("explain", "inspect")
    ]

    assert [["uncached_prefetchable"]] * 2 == kinds


def test_bugs_of_an_enterprise_kernel_are_not_taken_from_its_number(tmp_path: Path, ask: Ask) -> None:
    """The screen says why."""
    log = tmp_path / "log"
    log.write_text(f"Linux version 5.14.0-503.11.1.el9_5.x86_64 (b@h) #1 SMP\n{LINE}\n", "utf-8")

    assert "bug: perhaps A16, P02, A07, A01" in ask("explain", str(log)).out
    assert "Enterprise Linux backports fixes to its 5.14" in " ".join(ask("explain", str(log)).out.split())
