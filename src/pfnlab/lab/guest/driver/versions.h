/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What differs between kernels. The modules that `pfnlab export` writes
 * have these pieces too: each begins with its name and those of the pieces that it needs.
 */
#pragma once

//: vm_flags
#include <linux/mm.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

//: as_device
#include <linux/version.h>
/* pfn_t went in 6.17. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#define as_device(pfn) (pfn)
#else
# include <linux/pfn_t.h>
#define as_device(pfn) __pfn_to_pfn_t(pfn, PFN_DEV)
#endif
