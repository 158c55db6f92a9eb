//: own_pages ram
#include <linux/fs.h>
#include <linux/mm.h>
/* The pages as pages, which are counted; the first is at the offset that was mapped first, which the file remembers. */
static struct page *own_pages[RAM_PAGES];

static unsigned long page_at(const struct vm_area_struct *vma, pgoff_t offset)
{
	return offset - (unsigned long)vma->vm_file->f_pos;
}

/* A page that was taken out comes back. */
static vm_fault_t own_page_fault(struct vm_fault *vmf)
{
	unsigned long at = page_at(vmf->vma, vmf->pgoff);

	return at < RAM_PAGES ? vmf_insert_page(vmf->vma, vmf->address, own_pages[at]) : VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct own_pages_ops = {
	.fault = own_page_fault,
	.access = generic_access_phys,
};

static int insert_own(struct vm_area_struct *vma,
		      int (*insert)(struct vm_area_struct *vma, struct page **pages, unsigned long count))
{
	unsigned long first, i;

	if (!vma->vm_file->f_pos)
		vma->vm_file->f_pos = vma->vm_pgoff;
	for (i = 0; i < RAM_PAGES; i++)
		own_pages[i] = ram + i;
	first = page_at(vma, vma->vm_pgoff);
	return first < RAM_PAGES ? insert(vma, own_pages + first, RAM_PAGES - first) : -EINVAL;
}

//: insert_page own_pages
static int insert_page(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	unsigned long i;
	int error = vma_pages(vma) > count ? -EINVAL : 0;

	for (i = 0; !error && i < vma_pages(vma); i++)
		error = vm_insert_page(vma, vma->vm_start + i * PAGE_SIZE, pages[i]);
	return error;
}

//: insert_pages own_pages
static int insert_pages(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	unsigned long mapped = vma_pages(vma);

	return mapped > count ? -EINVAL : vm_insert_pages(vma, vma->vm_start, pages, &mapped);
}

//: map_pages own_pages
static int map_pages(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	return vm_map_pages_zero(vma, pages, count);
}

//: page_mkwrite own_pages vm_flags
#include <linux/pagemap.h>
/* The page is given to the kernel, which maps it. */
static vm_fault_t give_page(struct vm_fault *vmf)
{
	unsigned long at = page_at(vmf->vma, vmf->pgoff);

	if (at >= RAM_PAGES)
		return VM_FAULT_SIGBUS;
	vmf->page = own_pages[at];
	get_page(vmf->page);
	return 0;
}

/* The page is in no file, so that nobody else can lock it for the kernel. */
static vm_fault_t page_mkwrite(struct vm_fault *vmf)
{
	lock_page(vmf->page);
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct page_mkwrite_ops = {
	.fault = give_page,
	.page_mkwrite = page_mkwrite,
	.access = generic_access_phys,
};

static int page_mkwrite_later(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	if (vma_pages(vma) > count)
		return -EINVAL;
	vm_flags_set(vma, VM_MIXEDMAP);
	return 0;
}

//: mixed_pages own_pages as_device vm_flags
/* Counted pages and frames of the device by turns, in one mixed map. */
static vm_fault_t page_or_frame(struct vm_fault *vmf)
{
	if (page_at(vmf->vma, vmf->pgoff) % 2 == 0)
		return own_page_fault(vmf);
	return vmf_insert_mixed(vmf->vma, vmf->address, as_device(vmf->pgoff));
}

static const struct vm_operations_struct mixed_pages_ops = {
	.fault = page_or_frame,
	.access = generic_access_phys,
};

static int mixed_pages_later(struct vm_area_struct *vma, struct page **pages, unsigned long count)
{
	if (vma_pages(vma) > count)
		return -EINVAL;
	vm_flags_set(vma, VM_MIXEDMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}
