// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/pfnlab: operations on PFN mappings that only drivers can do, at the request of programs. Meant for a guest that
 * is thrown away: it maps any physical page it is told to. Anything that would kill the kernel (a BUG_ON in the callee)
 * is refused.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/uaccess.h>

#include "driver.h"

struct page *driver_ram;

/* Failures of a kernel with a bug, to check that they are noticed. No operation of a program leads here. */
static noinline long harm(u64 how)
{
	switch (how) {
	case PFNLAB_NULL_POINTER:
		*(volatile int *)NULL = 0;
		return 0;
	case PFNLAB_BUG:
		BUG();
	case PFNLAB_PANIC:
		panic("pfnlab was asked for it");
	case PFNLAB_WARN:
		WARN(true, "pfnlab: warned with %px\n", driver_ram);
		return 0;
	default:
		return -EINVAL;
	}
}

static long serve(struct file *file, unsigned int command, union request *ask)
{
	switch (command) {
	case PFNLAB_MAP:
		return set_map(file, &ask->map);
	case PFNLAB_UNMAP:
		return answer_of(unmap_mapping_range(file->f_mapping, ask->unmap.start, ask->unmap.len,
						     !!ask->unmap.even_cows));
	case PFNLAB_ZAP:
		return pfnlab_zap(&ask->area);
	case PFNLAB_REMAP_LIVE:
		return pfnlab_remap_live(&ask->remap);
	case PFNLAB_FAULTS:
		ask->number.number = count_faults();
		return 0;
	case PFNLAB_RAM:
		ask->number.number = PFN_PHYS(page_to_pfn(driver_ram));
		return 0;
	case PFNLAB_WATCH:
		return watch();
	case PFNLAB_PARK:
		return park(&ask->range);
	case PFNLAB_OOPS:
		return harm(ask->harmed.how);
	case PFNLAB_RESET:
		forget_faults();
		fallthrough;
	default:
		return kernel_request(command, ask);
	}
}

static long pfnlab_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	union request ask = {};
	void __user *theirs = (void __user *)argument;
	size_t size = _IOC_SIZE(command);
	long error;

	if (size > sizeof(ask))
		return -ENOTTY;
	if ((_IOC_DIR(command) & _IOC_WRITE) && copy_from_user(&ask, theirs, size))
		return -EFAULT;
	error = serve(file, command, &ask);
	if (!error && (_IOC_DIR(command) & _IOC_READ) && copy_to_user(theirs, &ask, size))
		return -EFAULT;
	return error;
}

static const struct file_operations pfnlab_operations = {
	.owner = THIS_MODULE,
	.open = pfnlab_open,
	.release = pfnlab_release,
	.mmap = pfnlab_mmap,
	.unlocked_ioctl = pfnlab_ioctl,
};

/* Another node has another inode, and so its own address space, like the file of a dma-buf. */
static struct miscdevice export_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnlab_export",
	.fops = &pfnlab_operations,
	.mode = 0600,
};

static struct miscdevice pfnlab_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pfnlab",
	.fops = &pfnlab_operations,
	.mode = 0600,
};

/* No exit: it stays as long as the guest. */
static int __init pfnlab_init(void)
{
	int error = own_pages_open();

	if (error)
		return error;
	find_functions();
	error = misc_register(&export_device);
	if (error)
		goto no_export;
	error = misc_register(&pfnlab_device);
	if (error)
		goto no_device;
	error = pci_driver_open();
	if (error)
		goto no_driver;
	return 0;

no_driver:
	misc_deregister(&pfnlab_device);
no_device:
	misc_deregister(&export_device);
no_export:
	own_pages_free();
	return error;
}
module_init(pfnlab_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What only drivers can do to PFN mappings, on request");
