"""One row a kernel."""

from middle_runs import PROGRAM, careful, cut, forgetful

from pfnlab.checker.judging.judge import judged
from pfnlab.present.report.kernel_rows import kernel_rows


def test_each_kernel_has_a_row_with_its_faults() -> None:
    """And the number of those that misbehave is below."""
    runs = forgetful(), careful()
    result = judged(PROGRAM, runs, {"model:6.1": "6.1", "model:7.2": "7.2"})

    lines = kernel_rows(result, 100).plain.splitlines()

    assert "model:6.1   LEAK bar[0:8] wc; freed_once (A06, fixed in 6.16)" == lines[3]
    assert "model:7.2   no leak, no violation" == lines[4]
    assert "1 of 2 kernels misbehave; --full shows the steps" == lines[-1]


def test_a_kernel_without_an_answer_does_not_misbehave() -> None:
    """It is counted by itself."""
    runs = careful(), cut(careful("qemu:7.2"), 1)
    result = judged(PROGRAM, runs, {"model:7.2": "7.2", "qemu:7.2": "7.2"})

    lines = kernel_rows(result, 100).plain.splitlines()

    assert "0 of 2 kernels misbehave, 1 did not finish; --full shows the steps" == lines[-1]


def test_an_expectation_that_fails_is_a_fault() -> None:
    """Although nothing leaks."""
    (run,) = runs = (careful(),)
    result = judged(PROGRAM, runs, {"model:7.2": "6.1"})

    lines = kernel_rows(result, 100).plain.splitlines()

    assert f"{run.machine}   not as expected: 6.1..6.12 leaked bar[0:8] wc" == lines[3]
