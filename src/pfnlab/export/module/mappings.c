//: fault is_cow
#include <linux/mm.h>
/* The file's offsets are physical addresses. */
static vm_fault_t fault(struct vm_fault *vmf)
{
	if (is_cow(vmf->vma))
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vmf->vma, vmf->address, vmf->pgoff);
}

static const struct vm_operations_struct fault_ops = {
	.fault = fault,
	.access = generic_access_phys,
};

//: fault_moved is_cow
#include <linux/mm.h>
/* Faults give other frames than mmap did: the buffer has moved by four pages. */
static vm_fault_t fault_moved(struct vm_fault *vmf)
{
	if (is_cow(vmf->vma))
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vmf->vma, vmf->address, vmf->pgoff ^ 4);
}

static const struct vm_operations_struct fault_moved_ops = {
	.fault = fault_moved,
	.access = generic_access_phys,
};

//: populate_later vm_flags is_cow
#include <linux/mm.h>
/* Entries come with faults. */
static int populate_later(struct vm_area_struct *vma, vm_flags_t special)
{
	if (special == VM_PFNMAP && is_cow(vma))
		return -EINVAL;
	vm_flags_set(vma, special | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

//: fault_prot with_mode
#include <linux/mm.h>
static vm_fault_t fault_prot(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;

	return vmf_insert_pfn_prot(vma, vmf->address, vmf->pgoff, with_mode(vma->vm_page_prot, WC));
}

static const struct vm_operations_struct fault_prot_ops = {
	.fault = fault_prot,
	.access = generic_access_phys,
};

//: fault_mixed as_device
#include <linux/mm.h>
static vm_fault_t fault_mixed(struct vm_fault *vmf)
{
	return vmf_insert_mixed(vmf->vma, vmf->address, as_device(vmf->pgoff));
}

static const struct vm_operations_struct fault_mixed_ops = {
	.fault = fault_mixed,
	.access = generic_access_phys,
};

//: fault_mkwrite fault populate_later
#include <linux/mm.h>
/* Entries of a shared mapping cannot be written at first, and the first write is granted here. */
static vm_fault_t pfn_mkwrite(struct vm_fault *vmf)
{
	return 0;
}

static const struct vm_operations_struct fault_mkwrite_ops = {
	.fault = fault,
	.pfn_mkwrite = pfn_mkwrite,
	.access = generic_access_phys,
};

//: insert_to_write as_device
#include <linux/mm.h>
static typeof(vmf_insert_mixed_mkwrite) *insert_mkwrite;

static vm_fault_t insert_to_write(struct vm_fault *vmf)
{
	return insert_mkwrite(vmf->vma, vmf->address, as_device(vmf->pgoff));
}

//: mixed_mkwrite insert_by_access populate_later
#include <linux/kprobes.h>
static const struct vm_operations_struct mixed_mkwrite_ops = {
	.fault = insert_by_access,
	.pfn_mkwrite = insert_to_write,
	.access = generic_access_phys,
};

/* vmf_insert_mixed_mkwrite() is not exported; a kprobe knows where it is. */
static int mixed_mkwrite_later(struct vm_area_struct *vma)
{
	struct kprobe probe = { .symbol_name = "vmf_insert_mixed_mkwrite" };
	int error = register_kprobe(&probe);

	if (error)
		return error;
	insert_mkwrite = (void *)probe.addr;
	unregister_kprobe(&probe);
	return populate_later(vma, VM_MIXEDMAP);
}

//: fault_remap any_mapped vm_flags
#include <linux/mm.h>
/* All of the VMA at its first fault. */
static vm_fault_t fault_remap(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long size = vma->vm_end - vma->vm_start;

	if (any_mapped(vma, vma->vm_start, size) ||
	    remap_pfn_range(vma, vma->vm_start, vma->vm_pgoff, size, vma->vm_page_prot))
		return VM_FAULT_SIGBUS;
	return VM_FAULT_NOPAGE;
}

static const struct vm_operations_struct fault_remap_ops = {
	.fault = fault_remap,
	.access = generic_access_phys,
};

/* Private mappings may be remapped too. */
static int remap_later(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

//: leaves fault populate_later as_device
#include <linux/mm.h>
#include <linux/version.h>
/* Leaves of device memory are whole since 6.12. */
#define HAS_LEAVES (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0))

static int populate_by_leaves(struct vm_area_struct *vma)
{
	return HAS_LEAVES ? populate_later(vma, VM_PFNMAP) : -EOPNOTSUPP;
}

#if HAS_LEAVES
/* The first PFN of the leaf at a fault; 0 where none fits into the VMA there. */
static unsigned long leaf_at(const struct vm_fault *vmf, unsigned int order)
{
	unsigned long pfn = ALIGN_DOWN(vmf->pgoff, 1UL << order), size = PAGE_SIZE << order;
	unsigned long start = ALIGN_DOWN(vmf->address, size);

	if (start < vmf->vma->vm_start || start + size > vmf->vma->vm_end ||
	    vmf->pgoff - pfn != (vmf->address - start) >> PAGE_SHIFT)
		return 0;
	return pfn;
}

static vm_fault_t insert_pmd(struct vm_fault *vmf)
{
	unsigned long pfn = leaf_at(vmf, PMD_ORDER);

	return pfn ? vmf_insert_pfn_pmd(vmf, as_device(pfn), vmf->flags & FAULT_FLAG_WRITE) :
		VM_FAULT_FALLBACK;
}
#endif

//: fault_pmd leaves
#if HAS_LEAVES
static vm_fault_t fault_pmd(struct vm_fault *vmf, unsigned int order)
{
	return order == PMD_ORDER ? insert_pmd(vmf) : VM_FAULT_FALLBACK;
}
#endif

static const struct vm_operations_struct fault_pmd_ops = {
	.fault = fault,
#if HAS_LEAVES
	.huge_fault = fault_pmd,
#endif
	.access = generic_access_phys,
};

//: fault_pud leaves
#if HAS_LEAVES
static vm_fault_t fault_pud(struct vm_fault *vmf, unsigned int order)
{
	unsigned long pfn;

	if (order == PMD_ORDER)
		return insert_pmd(vmf);
	pfn = leaf_at(vmf, order);
	if (IS_ENABLED(CONFIG_HAVE_ARCH_TRANSPARENT_HUGEPAGE_PUD) && order == PUD_ORDER && pfn)
		return vmf_insert_pfn_pud(vmf, as_device(pfn), vmf->flags & FAULT_FLAG_WRITE);
	return VM_FAULT_FALLBACK;
}
#endif

static const struct vm_operations_struct fault_pud_ops = {
	.fault = fault,
#if HAS_LEAVES
	.huge_fault = fault_pud,
#endif
	.access = generic_access_phys,
};

//: remap_all remap
static int remap_all(struct vm_area_struct *vma)
{
	return remap(vma, 0, vma->vm_end - vma->vm_start);
}

//: hand_over
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
/* The VMA becomes one of another file of the driver, which mmap() gives up where it fails. */
static struct file *hand_over(struct file *file, struct vm_area_struct *vma)
{
	struct file *inner = dentry_open(&file->f_path, O_RDWR, current_cred());

	if (IS_ERR(inner))
		return inner;
	vma_set_file(vma, inner);
	fput(inner);
	return inner;
}

//: stack hand_over remap_all
static int stack(struct file *file, struct vm_area_struct *vma)
{
	struct file *inner = hand_over(file, vma);

	return IS_ERR(inner) ? PTR_ERR(inner) : remap_all(vma);
}

//: export_file hand_over remap_all
/* Of a file with an address space of its own, as a dma-buf has: what the driver revokes is not there. */
static int export_file(struct file *file, struct vm_area_struct *vma)
{
	static struct address_space own;
	struct file *inner = hand_over(file, vma);

	if (IS_ERR(inner))
		return PTR_ERR(inner);
	if (!own.host) {
		address_space_init_once(&own);
		own.a_ops = &empty_aops;
		own.host = file->f_inode;
	}
	inner->f_mapping = &own;
	return remap_all(vma);
}

//: two_phases hand_over
#include <linux/module.h>
#include <linux/version.h>
/* The other file maps in two phases, which kernels know since 6.19. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static int two_phases(struct file *file, struct vm_area_struct *vma, const struct file_operations *operations)
{
	struct file *inner = hand_over(file, vma);

	if (IS_ERR(inner))
		return PTR_ERR(inner);
	inner->f_op = operations;
	return vfs_mmap(inner, vma);
}
#endif

//: stack_prepare two_phases fault
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static int remap_prepare(struct vm_area_desc *desc)
{
	desc->vm_ops = &fault_ops;
	mmap_action_remap_full(desc, desc->pgoff);
	return 0;
}

static const struct file_operations prepare_operations = {
	.owner = THIS_MODULE,
	.mmap_prepare = remap_prepare,
};

static int stack_prepare(struct file *file, struct vm_area_struct *vma)
{
	return two_phases(file, vma, &prepare_operations);
}
#else
static int stack_prepare(struct file *file, struct vm_area_struct *vma)
{
	return -EOPNOTSUPP;
}
#endif

//: simple_ioremap two_phases fault
/* The same by the counterpart of vm_iomap_memory, which kernels know since 7.1. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 1, 0)
static int ioremap_prepare(struct vm_area_desc *desc)
{
	desc->vm_ops = &fault_ops;
	mmap_action_simple_ioremap(desc, 0, 1ULL << 52);
	return 0;
}

static const struct file_operations ioremap_operations = {
	.owner = THIS_MODULE,
	.mmap_prepare = ioremap_prepare,
};

static int simple_ioremap(struct file *file, struct vm_area_struct *vma)
{
	return two_phases(file, vma, &ioremap_operations);
}
#else
static int simple_ioremap(struct file *file, struct vm_area_struct *vma)
{
	return -EOPNOTSUPP;
}
#endif

//: iomap_memory
#include <linux/mm.h>
/* The file's offsets are physical addresses, so all of physical memory is what the mapping is a part of. */
static int iomap_memory(struct vm_area_struct *vma)
{
	return vm_iomap_memory(vma, 0, 1ULL << 52);
}

//: remap_part remap
static int remap_part(struct vm_area_struct *vma, unsigned long from, unsigned long len)
{
	unsigned long size = vma->vm_end - vma->vm_start;

	return from < size && len <= size - from ? remap(vma, from, len) : -EINVAL;
}

//: ram
#include <linux/gfp.h>
#include <linux/mm.h>
#define RAM_PAGES 16

/* Pages of ordinary memory, the module's own. */
static struct page *ram;

//: remap_buffer remap_ram
/* A driver that frees its buffer in the error path. This one keeps it; kernels before 6.11 may leave entries. */
static int remap_buffer(struct vm_area_struct *vma)
{
	return remap_ram(vma);
}

//: zap
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 1, 0)
#define zap_special_vma_range zap_vma_ptes
#endif

/* Entries of a VMA of the process that asks. */
static long zap(unsigned long addr, unsigned long len)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma)
		zap_special_vma_range(vma, addr, len);
	mmap_read_unlock(mm);
	return vma ? 0 : -EFAULT;
}

//: remap_again any_mapped with_mode
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
static const struct file_operations driver_operations;

static long remap_living(struct vm_area_struct *vma, unsigned long addr, unsigned long len, enum mode mode)
{
	unsigned long from = addr - vma->vm_start;

	if (!vma->vm_file || vma->vm_file->f_op != &driver_operations || !len || len > vma->vm_end - addr)
		return -EINVAL;
	/* Pages that are counted: nobody looks there for entries. */
	if (!(vma->vm_flags & (VM_IO | VM_PFNMAP)))
		return -EINVAL;
	if (any_mapped(vma, addr, len))
		return -EBUSY;
	return remap_pfn_range(vma, addr, vma->vm_pgoff + (from >> PAGE_SHIFT), len,
			       with_mode(vma->vm_page_prot, mode));
}

/* A part of a VMA of the process that asks. */
static long remap_again(unsigned long addr, unsigned long len, enum mode mode)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	long error;

	mmap_write_lock(mm);
	vma = vma_lookup(mm, addr);
	error = vma ? remap_living(vma, addr, len, mode) : -EFAULT;
	mmap_write_unlock(mm);
	return error;
}
