/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Declarations shared by the files of the driver:
 *
 *     pfnlab.c       the device and its requests
 *     mappings.c     mappings in user space
 *     entries.h      how they are filled; with versions.h, the part that `pfnlab export` shares
 *     own_pages.c    mappings of the driver's own pages as counted pages
 *     kernel_side.c  the kernel's own mappings, claims and cache modes
 *     bound.c        the driver for the device under test, while it is bound to it
 *     notify.c       notifiers on address spaces
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

#include "pfnlab.h"
#include "versions.h"

#define SINCE(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

union request {
	struct pfnlab_map map;
	struct pfnlab_unmap unmap;
	struct pfnlab_area area;
	struct pfnlab_remap remap;
	struct pfnlab_range range;
	struct pfnlab_kernel_map kernel_map;
	struct pfnlab_start start;
	struct pfnlab_ends ends;
	struct pfnlab_set set;
	struct pfnlab_number number;
	struct pfnlab_harmed harmed;
};

/*
 * The result of a call, or 0 if it returns nothing: zaps can fail only in kernels with
 * evidence/patches/tracker-no_partial.patch.
 */
#define answer_of(call) \
	__builtin_choose_expr(__builtin_types_compatible_p(typeof(call), int), (call), ((call), 0))

/* pfnlab.c */
extern struct page *driver_ram;     /* PFNLAB_RAM_PAGES of them */

/* own_pages.c */
extern struct page *own_pages[PFNLAB_RAM_PAGES];    /* for each page of driver_ram */
const struct vm_operations_struct *own_pages_operations(u64 kind);
bool maps_own_pages(u64 kind);
int insert_own_pages(struct vm_area_struct *vma, u64 kind);
int own_pages_open(void);
void own_pages_free(void);
void forget_writes(void);

/* mappings.c */
int pfnlab_mmap(struct file *file, struct vm_area_struct *vma);
long pfnlab_zap(const struct pfnlab_area *area);
long pfnlab_remap_live(const struct pfnlab_remap *ask);
int pfnlab_open(struct inode *inode, struct file *file);
int pfnlab_release(struct inode *inode, struct file *file);
long set_map(struct file *file, const struct pfnlab_map *map);
void count_fault(void);
u64 count_faults(void);
void forget_faults(void);
void find_functions(void);

/* bound.c */
int pci_driver_open(void);
long park(const struct pfnlab_range *ask);

/* notify.c */
long watch(void);

/* kernel_side.c */
long kernel_request(unsigned int command, union request *ask);
void *address_of(const char *function);

#endif
