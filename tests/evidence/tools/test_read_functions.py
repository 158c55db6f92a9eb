"""Functions of a source, as the list by files is made of them."""

from __future__ import annotations

import tooling

TOOL = tooling.read_functions()

SOURCE = """\
#define FAKE(x) { x }
/* commented(void) { } */
static int __must_check first(struct vma *vma,
                              int (*call)(int))
{
        if (vma) { inner(vma); }
        return call("text { (");
}
struct pair { int left; };
static const struct ops ops = { .call = first };
void declared(void);
SYSCALL_DEFINE2(mremap, unsigned long, addr, unsigned long, len)
{
}
vm_fault_t second(struct vm_fault *vmf) __releases(vmf->ptl)
{
}
"""


def test_functions_of_a_source() -> None:
    """Those that are defined, a system call by the name the kernel gives it; no call and no declaration."""
    found = set(TOOL.functions_in(SOURCE))

    assert {"first", "__do_sys_mremap", "second"} <= found
    assert not {"FAKE", "commented", "inner", "declared", "pair", "ops"} & found


def test_names_the_kernel_has_twice() -> None:
    """Such a name says no file; a part that was put aside is no second function."""
    once = TOOL.functions_once(["zap", "fill.isra.0", "fill.cold", "show", "show"])

    assert {"zap", "fill"} == once
