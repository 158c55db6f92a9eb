/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a driver fills the entries of a VMA. The modules that `pfnlab export` writes
 * have these pieces too: each begins with its name and those of the pieces that it needs.
 */
#pragma once

//: with_mode
#include <linux/mm.h>
enum mode { AS_IS, WC, UC_MINUS, WT };

static pgprot_t with_mode(pgprot_t prot, enum mode mode)
{
	pgprot_t plain = __pgprot(pgprot_val(prot) & ~_PAGE_CACHE_MASK);

	switch (mode) {
	case WC:
		return pgprot_writecombine(plain);
	case UC_MINUS:
		return pgprot_noncached(plain);
	case WT:
		return pgprot_writethrough(plain);
	default:
		return prot;
	}
}

//: is_cow
#include <linux/mm.h>
/* A private mapping that is or can become writable: inserting a PFN into it is a BUG. */
static bool is_cow(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

//: any_mapped
#include <linux/mm.h>
#include <linux/version.h>
static bool is_mapped(struct vm_area_struct *vma, unsigned long addr)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };

	if (follow_pfnmap_start(&args))
		return false;
	follow_pfnmap_end(&args);
	return true;
#else
	unsigned long pfn;

	return !follow_pfn(vma, addr, &pfn);
#endif
}

/* remap_pfn_range() over entries that are there is a BUG. */
static bool any_mapped(struct vm_area_struct *vma, unsigned long start, unsigned long len)
{
	unsigned long at;

	for (at = start; at < start + len; at += PAGE_SIZE)
		if (is_mapped(vma, at))
			return true;
	return false;
}

//: remap
#include <linux/mm.h>
static int remap(struct vm_area_struct *vma, unsigned long from, unsigned long len)
{
	if (!len)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start + from, vma->vm_pgoff + (from >> PAGE_SHIFT), len,
			       vma->vm_page_prot);
}

//: remap_halves remap
static int remap_halves(struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start, half = size / 2 & PAGE_MASK;
	int error = remap(vma, 0, half);

	return error ? error : remap(vma, half, size - half);
}

//: apply vm_flags
#include <linux/mm.h>
static int apply_one(pte_t *pte, unsigned long addr, void *data)
{
	struct vm_area_struct *vma = data;
	unsigned long pfn = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);

	set_pte_at(vma->vm_mm, addr, pte, pte_mkspecial(pfn_pte(pfn, vma->vm_page_prot)));
	return 0;
}

/* As i915 does: nobody is asked for a cache mode. */
static int apply(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return apply_to_page_range(vma->vm_mm, vma->vm_start, vma->vm_end - vma->vm_start, apply_one, vma);
}

//: remap_ram ram
static int remap_ram(struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;

	if (size > RAM_PAGES * PAGE_SIZE)
		return -EINVAL;
	return remap_pfn_range(vma, vma->vm_start, page_to_pfn(ram), size, vma->vm_page_prot);
}

//: remap_narrowed ram
/* As hfi1 and comedi do: page by page, with the VMA narrowed to each. */
static int remap_narrowed(struct vm_area_struct *vma)
{
	unsigned long start = vma->vm_start, end = vma->vm_end, at;
	int error = 0;

	if (end - start > RAM_PAGES * PAGE_SIZE)
		return -EINVAL;
	for (at = start; !error && at < end; at += PAGE_SIZE) {
		vma->vm_start = at;
		vma->vm_end = at + PAGE_SIZE;
		error = remap_pfn_range(vma, at, page_to_pfn(ram) + ((at - start) >> PAGE_SHIFT), PAGE_SIZE,
					vma->vm_page_prot);
	}
	vma->vm_start = start;
	vma->vm_end = end;
	return error;
}

//: insert_by_access insert_to_write as_device
/* As DAX does: a write to a shared mapping fills an entry that may be written at once. */
static vm_fault_t insert_by_access(struct vm_fault *vmf)
{
	if (vmf->flags & FAULT_FLAG_WRITE && vmf->vma->vm_flags & VM_SHARED)
		return insert_to_write(vmf);
	return vmf_insert_mixed(vmf->vma, vmf->address, as_device(vmf->pgoff));
}
