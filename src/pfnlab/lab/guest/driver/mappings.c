// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings in user space: how mmap and faults populate them, and operations on existing ones. Nothing here holds a lock
 * of ours while it works, so one task may be held in it while others go on.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "driver.h"

#define ram driver_ram
#define RAM_PAGES PFNLAB_RAM_PAGES
static vm_fault_t insert_to_write(struct vm_fault *vmf);
#include "entries.h"

static_assert((int)WC == PFNLAB_WC && (int)UC_MINUS == PFNLAB_UC_MINUS && (int)WT == PFNLAB_WT);

#define HUGE_KINDS SINCE(6, 12)

#if !SINCE(7, 1)
#define zap_special_vma_range zap_vma_ptes
#endif

#define MOVED_BY 4      /* pages, at this bit of a frame number */

/* A file of the driver; for a stacked mmap, also the file to which it hands its VMAs. */
struct opened {
	struct pfnlab_map map;
	struct file *inner;
	bool failed;            /* its mmap, after the VMA was handed over */
};

static atomic64_t faults;

void count_fault(void)
{
	atomic64_inc(&faults);
}

u64 count_faults(void)
{
	return atomic64_read(&faults);
}

void forget_faults(void)
{
	atomic64_set(&faults, 0);
}

/* Everything that the fault handler must know about a VMA fits into its private pointer. */
static void *remembered(const struct pfnlab_map *map)
{
	return (void *)(unsigned long)(map->kind | map->insert << 8);
}

static u64 kind_of(const struct vm_area_struct *vma)
{
	return (unsigned long)vma->vm_private_data & 0xff;
}

static u64 insert_of(const struct vm_area_struct *vma)
{
	return (unsigned long)vma->vm_private_data >> 8;
}

/* vmf_insert_pfn() has a BUG_ON for private PFN mappings. */
static bool would_die(const struct vm_area_struct *vma)
{
	return is_cow(vma) && !(vma->vm_flags & VM_MIXEDMAP) && kind_of(vma) != PFNLAB_FAULT_REMAP;
}

/* The whole VMA at its first fault, as vfio-pci did up to 6.9. */
static vm_fault_t remap_all(struct vm_area_struct *vma)
{
	unsigned long size = vma->vm_end - vma->vm_start;

	if (any_mapped(vma, vma->vm_start, size) ||
	    remap_pfn_range(vma, vma->vm_start, vma->vm_pgoff, size, vma->vm_page_prot))
		return VM_FAULT_SIGBUS;
	return VM_FAULT_NOPAGE;
}

static typeof(vmf_insert_mixed_mkwrite) *insert_mkwrite;

/* vmf_insert_mixed_mkwrite() is not exported. It is looked up before any task is held, and never in a fault. */
void find_functions(void)
{
	insert_mkwrite = address_of("vmf_insert_mixed_mkwrite");
}

static vm_fault_t insert_to_write(struct vm_fault *vmf)
{
	return insert_mkwrite ? insert_mkwrite(vmf->vma, vmf->address, as_device(vmf->pgoff)) : VM_FAULT_SIGBUS;
}

static vm_fault_t pfnlab_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;

	count_fault();
	if (would_die(vma))
		return VM_FAULT_SIGBUS;
	switch (kind_of(vma)) {
	case PFNLAB_FAULT_PROT:
		return vmf_insert_pfn_prot(vma, vmf->address, vmf->pgoff,
					   with_mode(vma->vm_page_prot, insert_of(vma)));
	case PFNLAB_FAULT_MIXED:
		return vmf_insert_mixed(vma, vmf->address, as_device(vmf->pgoff));
	case PFNLAB_MIXED_MKWRITE:
		return insert_by_access(vmf);
	case PFNLAB_FAULT_REMAP:
		return remap_all(vma);
	case PFNLAB_FAULT_MOVED:
		return vmf_insert_pfn(vma, vmf->address, vmf->pgoff ^ MOVED_BY);
	default:
		return vmf_insert_pfn(vma, vmf->address, vmf->pgoff);
	}
}

#if HUGE_KINDS
static vm_fault_t pfnlab_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long pages = 1UL << order, size = PAGE_SIZE << order;
	unsigned long pfn = ALIGN_DOWN(vmf->pgoff, pages), start = ALIGN_DOWN(vmf->address, size);
	u64 kind = kind_of(vma);

	if (kind != PFNLAB_FAULT_PUD && (kind != PFNLAB_FAULT_PMD || order != PMD_ORDER))
		return VM_FAULT_FALLBACK;
	if (start < vma->vm_start || start + size > vma->vm_end || would_die(vma) ||
	    vmf->pgoff - pfn != (vmf->address - start) >> PAGE_SHIFT)
		return VM_FAULT_FALLBACK;
	count_fault();
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, as_device(pfn), vmf->flags & FAULT_FLAG_WRITE);
	if (IS_ENABLED(CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD) && order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, as_device(pfn), vmf->flags & FAULT_FLAG_WRITE);
	return VM_FAULT_FALLBACK;
}
#endif

static const struct vm_operations_struct pfnlab_vm_ops = {
	.fault = pfnlab_fault,
#if HUGE_KINDS
	.huge_fault = pfnlab_huge_fault,
#endif
	.access = generic_access_phys,
};

static vm_fault_t pfnlab_pfn_mkwrite(struct vm_fault *vmf)
{
	return kind_of(vmf->vma) == PFNLAB_MIXED_MKWRITE ? insert_to_write(vmf) : 0;
}

/* Entries of a shared mapping are not writable at first. */
static const struct vm_operations_struct mkwrite_vm_ops = {
	.fault = pfnlab_fault,
	.pfn_mkwrite = pfnlab_pfn_mkwrite,
	.access = generic_access_phys,
};

static const struct vm_operations_struct *operations_of(u64 kind)
{
	if (maps_own_pages(kind))
		return own_pages_operations(kind);
	switch (kind) {
	case PFNLAB_REMAP_BARE:
		return NULL;
	case PFNLAB_FAULT_MKWRITE:
	case PFNLAB_MIXED_MKWRITE:
		return &mkwrite_vm_ops;
	default:
		return &pfnlab_vm_ops;
	}
}

/* At least one page, and inside SIZE bytes. */
static bool is_part(u64 start, u64 len, u64 size)
{
	return PAGE_ALIGNED(start | len) && len && start < size && len <= size - start;
}

/* A driver that frees its buffer in the error path; this one keeps it, and reports who could still reach it. */
static int remap_buffer(struct vm_area_struct *vma, unsigned long size)
{
	int error = remap_ram(vma);

	if (error && any_mapped(vma, vma->vm_start, size))
		pr_warn("pfnlab: entries show memory that is freed\n");
	return error;
}

static int populate_later(struct vm_area_struct *vma, vm_flags_t special)
{
	if (special == VM_PFNMAP && would_die(vma))
		return -EINVAL;
	vm_flags_set(vma, special | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static int populate(struct vm_area_struct *vma, const struct pfnlab_map *map)
{
	unsigned long size = vma->vm_end - vma->vm_start;

	if (maps_own_pages(map->kind))
		return insert_own_pages(vma, map->kind);
	switch (map->kind) {
	case PFNLAB_REMAP:
	case PFNLAB_REMAP_BARE:
	case PFNLAB_FAULT_MOVED:
	case PFNLAB_EXPORT:
		return remap(vma, 0, size);
	case PFNLAB_IOMAP:
		return vm_iomap_memory(vma, 0, 1ULL << 52);
	case PFNLAB_REMAP_PART:
		return is_part(map->start, map->len, size) ? remap(vma, map->start, map->len) : -EINVAL;
	case PFNLAB_REMAP_HALVES:
		return remap_halves(vma);
	case PFNLAB_REMAP_RAM:
		return remap_ram(vma);
	case PFNLAB_BUFFER:
		return remap_buffer(vma, size);
	case PFNLAB_REMAP_NARROWED:
		return remap_narrowed(vma);
	case PFNLAB_FAULT:
	case PFNLAB_FAULT_PROT:
	case PFNLAB_FAULT_REMAP:
	case PFNLAB_FAULT_MKWRITE:
		return populate_later(vma, VM_PFNMAP);
	case PFNLAB_FAULT_PMD:
	case PFNLAB_FAULT_PUD:
		return HUGE_KINDS ? populate_later(vma, VM_PFNMAP) : -EOPNOTSUPP;
	case PFNLAB_FAULT_MIXED:
	case PFNLAB_MIXED_MKWRITE:
		return populate_later(vma, VM_MIXEDMAP);
	case PFNLAB_APPLY:
		return apply(vma);
	case PFNLAB_FAIL:
		return -ENXIO;
	default:
		return -EINVAL;
	}
}

static bool has_mmap_prepare(u64 kind)
{
	return kind == PFNLAB_STACK_PREPARE || kind == PFNLAB_SIMPLE_IOREMAP;
}

static bool is_stacked(u64 kind)
{
	return kind == PFNLAB_STACK || has_mmap_prepare(kind);
}

#if SINCE(6, 19)
static int pfnlab_mmap_prepare(struct vm_area_desc *desc)
{
	const struct opened *opened = desc->file->private_data;

	desc->page_prot = with_mode(desc->page_prot, opened->map.mode);
	desc->vm_ops = &pfnlab_vm_ops;
	desc->private_data = remembered(&opened->map);
#if SINCE(7, 1)
	if (opened->map.kind == PFNLAB_SIMPLE_IOREMAP) {
		mmap_action_simple_ioremap(desc, 0, 1ULL << 52);
		return 0;
	}
#endif
	mmap_action_remap_full(desc, desc->pgoff);
	return 0;
}

static const struct file_operations prepare_operations = {
	.owner = THIS_MODULE,
	.release = pfnlab_release,
	.mmap_prepare = pfnlab_mmap_prepare,
};
#endif

/* The mmap of FILE, as called by the mmap of another file. */
static int call_inner(struct file *file, struct vm_area_struct *vma)
{
#if SINCE(6, 19)
	return vfs_mmap(file, vma);
#else
	return file->f_op->mmap(file, vma);
#endif
}

/* The way dma_buf_mmap() and the exporters behind it do it. */
static int hand_over(struct opened *opened, struct vm_area_struct *vma)
{
	int error;

	if (!opened->inner)
		return -EOPNOTSUPP;
	vma_set_file(vma, opened->inner);
	error = call_inner(opened->inner, vma);
	opened->failed = error;
	return error;
}

int pfnlab_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct opened *opened = file->private_data;
	const struct pfnlab_map *map = &opened->map;

	if (is_stacked(map->kind))
		return hand_over(opened, vma);
	vma->vm_page_prot = with_mode(vma->vm_page_prot, map->mode);
	if (operations_of(map->kind))
		vma->vm_ops = operations_of(map->kind);
	vma->vm_private_data = remembered(map);
	return populate(vma, map);
}

/* How mmap populates is a property of the file, so a task that is held in it keeps what it asked for. */
int pfnlab_open(struct inode *inode, struct file *file)
{
	file->private_data = kzalloc(sizeof(struct opened), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

/* If the mapping failed, its maker has released the file that the VMA had by then, and no other. */
int pfnlab_release(struct inode *inode, struct file *file)
{
	struct opened *opened = file->private_data;

	if (opened->failed && file_count(opened->inner) != 1)
		pr_warn("pfnlab: a mapping that failed holds its file\n");
	if (opened->inner)
		fput(opened->inner);
	kfree(opened);
	return 0;
}

/* The file to which a stacked mmap hands the VMA; NULL if the kernel has no such files. */
static struct file *open_inner(const struct pfnlab_map *map)
{
	bool simple = map->kind == PFNLAB_SIMPLE_IOREMAP;
	struct file *inner;

	if ((simple && !SINCE(7, 1)) || (map->kind == PFNLAB_STACK_PREPARE && !SINCE(6, 19)))
		return NULL;
	inner = filp_open(PFNLAB_DEVICE, O_RDWR, 0);
	if (IS_ERR(inner))
		return inner;
	((struct opened *)inner->private_data)->map = (struct pfnlab_map){
		.kind = simple ? PFNLAB_SIMPLE_IOREMAP : PFNLAB_REMAP, .mode = map->mode,
	};
#if SINCE(6, 19)
	if (has_mmap_prepare(map->kind))
		inner->f_op = &prepare_operations;
#endif
	return inner;
}

long set_map(struct file *file, const struct pfnlab_map *map)
{
	struct opened *opened = file->private_data;
	struct file *inner = is_stacked(map->kind) && !opened->inner ? open_inner(map) : opened->inner;

	if (IS_ERR(inner))
		return PTR_ERR(inner);
	opened->map = *map;
	opened->inner = inner;
	return 0;
}

long pfnlab_zap(const struct pfnlab_area *area)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int error = -EFAULT;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, area->addr);
	if (vma)
		error = answer_of(zap_special_vma_range(vma, area->addr, area->len));
	mmap_read_unlock(mm);
	return error;
}

static int remap_live_vma(struct vm_area_struct *vma, const struct pfnlab_remap *ask)
{
	unsigned long from = ask->addr - vma->vm_start;

	if ((vma->vm_ops != &pfnlab_vm_ops && vma->vm_ops != &mkwrite_vm_ops) || !is_part(from, ask->len, vma->vm_end - vma->vm_start))
		return -EINVAL;
	if (any_mapped(vma, ask->addr, ask->len))
		return -EBUSY;
	return remap_pfn_range(vma, ask->addr, vma->vm_pgoff + (from >> PAGE_SHIFT), ask->len,
			       with_mode(vma->vm_page_prot, ask->mode));
}

long pfnlab_remap_live(const struct pfnlab_remap *ask)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long error;

	mmap_write_lock(mm);
	vma = vma_lookup(mm, ask->addr);
	error = vma ? remap_live_vma(vma, ask) : -EFAULT;
	mmap_write_unlock(mm);
	return error;
}
