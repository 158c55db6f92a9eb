// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings of the driver's own pages as real pages: with a struct page, and counted. Unlike the frames that
 * remap_pfn_range() maps, they have users (page_count), mappings (page_mapcount) and a share in Rss.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "driver.h"

struct page *own_pages[PFNLAB_RAM_PAGES];

bool maps_own_pages(u64 kind)
{
	return kind >= PFNLAB_INSERT_PAGE && kind <= PFNLAB_MIXED_PAGES;
}

/*
 * The page that belongs to an offset: pages begin at the offset that was mapped first. The file stores it in the field
 * for its position, because nobody reads or writes the file.
 */
static unsigned long page_at(const struct vm_area_struct *vma, pgoff_t offset)
{
	return offset - (unsigned long)vma->vm_file->f_pos;
}

static int insert_one_by_one(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	int error = 0;

	for (unsigned long i = 0; !error && i < count; i++)
		error = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE, pages[i]);
	return error;
}

int insert_own_pages(struct vm_area_struct *vma, u64 kind)
{
	unsigned long first, count = vma_pages(vma);

	if (!vma->vm_file->f_pos)
		vma->vm_file->f_pos = vma->vm_pgoff;
	first = page_at(vma, vma->vm_pgoff);
	if (first >= PFNLAB_RAM_PAGES)
		return -EINVAL;
	if (kind == PFNLAB_MAP_PAGES)
		return vm_map_pages_zero(vma, own_pages + first, PFNLAB_RAM_PAGES - first);
	if (count > PFNLAB_RAM_PAGES - first)
		return -EINVAL;
	if (kind == PFNLAB_PAGE_MKWRITE) {
		vm_flags_set(vma, VM_MIXEDMAP);
		return 0;
	}
	if (kind == PFNLAB_MIXED_PAGES) {
		vm_flags_set(vma, VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
		return 0;
	}
	if (kind == PFNLAB_INSERT_PAGES)
		return vm_insert_pages(vma, vma->vm_start, own_pages + first, &count);
	return insert_one_by_one(vma, own_pages + first, count);
}

/* A page that was taken out comes back; mremap() may have made the VMA larger than the number of pages. */
static vm_fault_t own_page_fault(struct vm_fault *vmf)
{
	unsigned long at = page_at(vmf->vma, vmf->pgoff);

	count_fault();
	if (at >= PFNLAB_RAM_PAGES)
		return VM_FAULT_SIGBUS;
	return vmf_insert_page(vmf->vma, vmf->address, own_pages[at]);
}

static const struct vm_operations_struct own_pages_vm_ops = {
	.fault = own_page_fault,
	.access = generic_access_phys,
};

/* Counted pages and device frames alternate in one mixed map. */
static vm_fault_t page_or_frame(struct vm_fault *vmf)
{
	if (page_at(vmf->vma, vmf->pgoff) % 2 == 0)
		return own_page_fault(vmf);
	count_fault();
	return vmf_insert_mixed(vmf->vma, vmf->address, as_device(vmf->pgoff));
}

static const struct vm_operations_struct mixed_pages_vm_ops = {
	.fault = page_or_frame,
	.access = generic_access_phys,
};

/* The way file systems and frame buffers do it: the page is given to the kernel, which maps it. */
static vm_fault_t give_page(struct vm_fault *vmf)
{
	unsigned long at = page_at(vmf->vma, vmf->pgoff);

	count_fault();
	if (at >= PFNLAB_RAM_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = own_pages[at];
	get_page(vmf->page);
	return 0;
}

/* The page is in no file, so only we can lock it for the kernel. */
static vm_fault_t hear_of_write(struct vm_fault *vmf)
{
	count_fault();
	lock_page(vmf->page);
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct page_mkwrite_vm_ops = {
	.fault = give_page,
	.page_mkwrite = hear_of_write,
	.access = generic_access_phys,
};

const struct vm_operations_struct *own_pages_operations(u64 kind)
{
	switch (kind) {
	case PFNLAB_PAGE_MKWRITE:
		return &page_mkwrite_vm_ops;
	case PFNLAB_MIXED_PAGES:
		return &mixed_pages_vm_ops;
	default:
		return &own_pages_vm_ops;
	}
}

/* Adjacent pages, so that they can be remapped as frames too, each with its own count. */
int own_pages_open(void)
{
	void *pages = alloc_pages_exact(PFNLAB_RAM_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);

	if (!pages)
		return -ENOMEM;
	driver_ram = virt_to_page(pages);
	for (int i = 0; i < PFNLAB_RAM_PAGES; i++)
		own_pages[i] = driver_ram + i;
	return 0;
}

void own_pages_free(void)
{
	free_pages_exact(page_address(driver_ram), PFNLAB_RAM_PAGES * PAGE_SIZE);
}

/* These pages are not written back anywhere, so none becomes clean again by itself. */
void forget_writes(void)
{
	for (int i = 0; i < PFNLAB_RAM_PAGES; i++)
		ClearPageDirty(own_pages[i]);
}
