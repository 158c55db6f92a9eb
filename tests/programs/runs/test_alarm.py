"""Alarms in what real kernels printed, and in the words of kernels that find other things wrong."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from pfnlab.programs.runs.alarm import MOST_LINES, WARN, Alarm, alarms_in, first_alarm, warning_line, when

LOGS = Path(__file__).parent / "logs"


def of(name: str) -> tuple[Alarm, ...]:
    """The alarms in a recorded log."""
    return alarms_in((LOGS / f"{name}.log").read_text().splitlines())


@for_each("series", ["6.1", "7.3"])
@for_each(
    ("name", "kind", "title"),
    [
        ("oops", "oops", "BUG: kernel NULL pointer dereference in harm"),
        ("bug", "BUG", "kernel BUG at pfnlab.c in harm"),
        ("panic", "panic", "Kernel panic - not syncing: pfnlab was asked for it"),
        ("warn", "WARN", "WARNING at pfnlab.c in harm: pfnlab: warned with ADDR"),
    ],
)
def test_a_recorded_report_is_one_alarm(series: str, name: str, kind: str, title: str) -> None:
    """An oops and the panic it ends in are one, and so are a BUG, its invalid opcode and its panic."""
    assert [(kind, title)] == [(alarm.kind, alarm.title) for alarm in of(f"{series}-{name}")]


def test_every_bad_entry_is_an_alarm() -> None:
    """6.1 looks at an entry twice, and reports it twice."""
    assert [("bad page map", "BUG: Bad page map")] * 2 == [
        (alarm.kind, alarm.title) for alarm in of("6.1-bad-page-map")
    ]


@for_each("name", [path.stem for path in sorted(LOGS.iterdir())])
def test_an_alarm_has_its_call_trace(name: str) -> None:
    """From the line that says what happened to the functions it happened in."""
    for alarm in of(name):
        assert any(line.startswith("Call Trace") for line in alarm.log)
        assert "<TASK>" in [line.strip() for line in alarm.log]


def test_the_log_has_no_time() -> None:
    """The lines of a console begin with it, those of the kernel log do not."""
    assert of("6.1-oops")[0].log[0] == "BUG: kernel NULL pointer dereference, address: 0000000000000000"


def test_the_summary_of_an_oops_is_left_out() -> None:
    """The registers behind the end of the trace are those before it."""
    log = of("7.3-oops")[0].log

    assert log[-2:] == ("---[ end trace 0000000000000000 ]---", "Kernel panic - not syncing: Fatal exception")


def test_an_alarm_begins_where_the_kernel_cuts() -> None:
    """The message of a WARN comes before its head."""
    assert of("7.3-warn")[0].log[:2] == (
        "------------[ cut here ]------------",
        "pfnlab: warned with ffd400000016a400",
    )


def test_an_alarm_ends_where_the_kernel_says_so() -> None:
    """What is logged next is not part of it."""
    lines = [*(LOGS / "6.1-warn.log").read_text().splitlines(), "x86/PAT: main:7 freeing invalid memtype"]

    assert alarms_in(lines)[0].log[-1] == "---[ end trace 0000000000000000 ]---"


def test_a_report_without_a_trace_is_its_line() -> None:
    """What comes next was said by others."""
    lines = ["BUG: non-zero pgtables_bytes on freeing mm: 4096", "x86/PAT: something else"]

    assert alarms_in(lines)[0].log == tuple(lines[:1])


#: What kernels print, each line before the kind and the title of its alarm.
REPORTS = """\
BUG: unable to handle page fault for address: ffffea0123456789
  oops: BUG: unable to handle page fault
general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP
  oops: general protection fault
Oops: divide error: 0000 [#1] SMP NOPTI
  oops: divide error
kernel BUG at mm/memory.c:2345!
  BUG: kernel BUG at mm/memory.c
BUG: scheduling while atomic: main/123/0x00000002
  BUG: BUG: scheduling while atomic: TASK
BUG: KASAN: slab-use-after-free in untrack_pfn.part.0+0x12/0x34 [mod]
  KASAN: BUG: KASAN: slab-use-after-free in untrack_pfn
BUG: Bad page state in process main  pfn:12345
  bad page state: BUG: Bad page state
mm/pgtable-generic.c:54: bad pmd 00000000abcdef12(80000000f80000e7)
  bad pmd: bad pmd
mm/pgtable-generic.c:41: bad pud 00000000abcdef12(80000000f80000e7)
  bad pud: bad pud
BUG: Bad rss-counter state mm:00000000abcdef12 type:MM_FILEPAGES val:1
  bad rss-counter: BUG: Bad rss-counter state type:MM_FILEPAGES
WARNING: possible circular locking dependency detected
  lockdep: WARNING: possible circular locking dependency detected
watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [main:123]
  lockup: BUG: soft lockup
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
  RCU stall: INFO: rcu_preempt detected stalls
INFO: task main:123 blocked for more than 120 seconds.
  hung task: INFO: task TASK blocked for more than
WARNING: CPU: 1 PID: 7 at mm/memory.c:2345 zap_pte_range.isra.0+0x1/0x2
  WARN: WARNING at mm/memory.c in zap_pte_range
"""


@for_each(("line", "says"), [*zip(*[iter(REPORTS.splitlines())] * 2, strict=True)])
def test_a_report_in_the_kernels_words(line: str, says: str) -> None:
    """Titles are without what differs from boot to boot."""
    assert [says.strip()] == [f"{alarm.kind}: {alarm.title}" for alarm in alarms_in([line])]


def test_a_refcount_that_falls_below_zero() -> None:
    """Its WARN says what happened in a line of its own."""
    lines = [
        "------------[ cut here ]------------",
        "refcount_t: underflow; use-after-free.",
        "WARNING: CPU: 0 PID: 78 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110",
    ]

    (alarm,) = alarms_in(lines)

    assert (alarm.kind, alarm.title) == (
        "refcount",
        "WARNING at lib/refcount.c in refcount_warn_saturate: refcount_t: underflow; use-after-free.",
    )


@for_each(
    "line",
    [
        "x86/PAT: main:123 freeing invalid memtype [mem 0xf8004000-0xf8007fff]",
        "WARNING: x86/PAT has something to say",
        "mmap: main (123): VmData 4096 exceed data ulimit 0",
    ],
)
def test_other_lines_are_no_alarms(line: str) -> None:
    """Messages of a kernel that is well."""
    assert alarms_in([line]) == ()


def test_an_oops_behind_a_warning_is_a_second_alarm() -> None:
    """The WARN ended before."""
    lines = [
        line for name in ("warn", "oops") for line in (LOGS / f"6.1-{name}.log").read_text().splitlines()
    ]

    assert [WARN, "oops"] == [alarm.kind for alarm in alarms_in(lines)]


def test_a_warning_is_no_alarm_by_itself() -> None:
    """Rules explain some of them; an oops is never explained."""
    warned, crashed = of("6.1-warn"), of("6.1-oops")

    assert (None, crashed[0]) == (first_alarm(warned), first_alarm((*warned, *crashed)))


def test_a_stall_hides_no_oops() -> None:
    """Also where the stall was printed first, and a panic for it between them."""
    stall = Alarm("RCU stall", "INFO: rcu_sched self-detected stall")
    panic = Alarm("panic", "Kernel panic - not syncing: RCU Stall")
    oops = Alarm("oops", "BUG: unable to handle page fault in zap_pte_range")

    assert oops == first_alarm((stall, panic, oops))
    assert stall == first_alarm((stall, panic))
    assert panic == first_alarm((panic,))


def test_a_warning_knows_its_line_in_observations() -> None:
    """By it the comparison finds out whether another machine warned too."""
    assert warning_line(of("6.1-warn")[0]) == "WARNING at pfnlab.c"


def test_a_log_has_an_end() -> None:
    """However long a kernel goes on."""
    calls = [f" caller_{number}+0x1/0x2" for number in range(10 * MOST_LINES)]

    (alarm,) = alarms_in(["kernel BUG at mm/memory.c:1!", "Call Trace:", *calls])

    assert len(alarm.log) == MOST_LINES


def test_when_an_alarm_came() -> None:
    """Steps are counted from 1 for people."""
    alarm = Alarm("oops", "t", step=1, op="munmap a")

    assert ("in step 2, munmap a", "before the first step") == (when(alarm), when(Alarm("oops", "t")))
