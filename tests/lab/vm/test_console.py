"""The console of a guest: what it says of the guest's end."""

from pfnlab.lab.vm.console import alarm_of, gave_up, last_words

OOPS = ["[    3.1] BUG: kernel NULL pointer dereference, address: 0", "[    3.1] RIP: 0010:zap_pte+0x1/0x2"]
KVM = ["qemu: warning", "KVM internal error. Suberror: 1"]


def test_an_oops_is_the_alarm_of_a_console() -> None:
    """By its title."""
    alarm = alarm_of(OOPS)

    assert alarm is not None
    assert "kernel NULL pointer dereference" in alarm.title


def test_an_agent_that_gave_up_has_no_alarm() -> None:
    """The kernel panics when its first process ends, which is not its own fault."""
    assert alarm_of([*OOPS, "[    3.0] pfnlab agent: no shared memory"]) is None


def test_a_guest_stands_where_kvm_gave_up() -> None:
    """QEMU says so, and lives on."""
    assert gave_up(KVM)
    assert not gave_up(["qemu: warning"])


def test_a_panic_is_said_once() -> None:
    """Without its time, whatever QEMU says."""
    line = "[    3.2] Kernel panic - not syncing: Fatal exception"

    assert last_words([line, line], ["terminated"], 1) == "Kernel panic - not syncing: Fatal exception"


def test_a_machine_that_kvm_gave_up_says_so() -> None:
    """It lives, so it has no status."""
    assert last_words([], KVM, None) == "KVM internal error. Suberror: 1"
    assert last_words([], [], None) == "QEMU stopped it"


def test_without_a_panic_the_last_line_is_the_reason() -> None:
    """That of QEMU before that of the console."""
    assert last_words(["hello"], ["no KVM"], 1) == "QEMU ended with status 1 (no KVM)"
    assert last_words(["hello"], [], 1) == "QEMU ended with status 1 (hello)"
    assert last_words([], [], -9) == "QEMU ended with status -9 (no output)"
