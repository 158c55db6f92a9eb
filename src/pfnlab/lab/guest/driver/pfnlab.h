/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The requests that /dev/pfnlab takes; shared by the driver and the guest agent. Every argument is 64 bits wide,
 * physical and virtual addresses are in bytes. PROTOCOL.md says what each request is for.
 */
#ifndef PFNLAB_H
#define PFNLAB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PFNLAB_DEVICE "/dev/pfnlab"
#define PFNLAB_EXPORT_DEVICE "/dev/pfnlab_export"   /* the same, through a file with its own address space */

/* How mmap populates; the file offset is the physical address. The recorded cases use these numbers. */
enum pfnlab_kind {
	PFNLAB_REMAP,                 /* remap_pfn_range of the whole VMA */
	PFNLAB_FAULT,                 /* nothing; the fault handler calls vmf_insert_pfn */
	PFNLAB_REMAP_PART,            /* remap_pfn_range of [start, start + len) in the VMA */
	PFNLAB_FAULT_PROT,            /* vmf_insert_pfn_prot with the mode in insert */
	PFNLAB_FAULT_MIXED,           /* VM_MIXEDMAP, vmf_insert_mixed */
	PFNLAB_REMAP_HALVES,          /* two remap_pfn_range calls */
	PFNLAB_REMAP_RAM,             /* remap_pfn_range of the driver's own pages */
	PFNLAB_FAIL = 8,              /* mmap returns ENXIO */
	PFNLAB_FAULT_PMD,             /* vmf_insert_pfn_pmd if a leaf fits; from 6.12 */
	PFNLAB_FAULT_PUD,             /* vmf_insert_pfn_pud, else PMD */
	PFNLAB_APPLY,                 /* apply_to_page_range, as i915 does: no cache mode is requested */
	PFNLAB_REMAP_NARROWED,        /* the driver's own pages one by one; the VMA is narrowed to each, as in hfi1 */
	PFNLAB_FAULT_REMAP,           /* the fault handler calls remap_pfn_range of the whole VMA */
	PFNLAB_REMAP_BARE,            /* remap_pfn_range of the whole VMA, which gets no operations */
	PFNLAB_IOMAP,                 /* vm_iomap_memory, from all of physical memory */
	PFNLAB_FAULT_MKWRITE,         /* like PFNLAB_FAULT; first writes call pfn_mkwrite */
	PFNLAB_MIXED_MKWRITE,         /* like PFNLAB_FAULT_MIXED; first writes insert anew, vmf_insert_mixed_mkwrite */
	PFNLAB_INSERT_PAGE,           /* vm_insert_page of each of the driver's own pages */
	PFNLAB_INSERT_PAGES,          /* vm_insert_pages of these pages */
	PFNLAB_MAP_PAGES,             /* vm_map_pages_zero of these pages */
	PFNLAB_PAGE_MKWRITE,          /* nothing; faults give them to the kernel, and first writes call page_mkwrite */
	PFNLAB_MIXED_PAGES,           /* nothing; faults insert every second one, and frames in between */
	PFNLAB_BUFFER,                /* like PFNLAB_REMAP_RAM; if it fails, reports entries that map what is freed */
	PFNLAB_FAULT_MOVED,           /* like PFNLAB_REMAP; the fault handler inserts the frame four pages away */
	PFNLAB_EXPORT,                /* like PFNLAB_REMAP, on PFNLAB_EXPORT_DEVICE */
	PFNLAB_STACK,                 /* the mmap of PFNLAB_EXPORT_DEVICE hands the VMA to a file of PFNLAB_DEVICE */
	PFNLAB_STACK_PREPARE,         /* the same, and that file has mmap_prepare; from 6.19 */
	PFNLAB_SIMPLE_IOREMAP,        /* the same by mmap_action_simple_ioremap, from all of physical memory; from 7.1 */
};

/* The cache mode in vm_page_prot. */
enum pfnlab_mode { PFNLAB_AS_IS, PFNLAB_WC, PFNLAB_UC_MINUS, PFNLAB_WT };

/* The kind of ioremap. */
enum pfnlab_ioremap {
	PFNLAB_IOREMAP, PFNLAB_IOREMAP_WC, PFNLAB_IOREMAP_CACHE, PFNLAB_IOREMAP_UC, PFNLAB_IOREMAP_WT,
};

/* The kind of set_memory, or of set_pages_array. */
enum pfnlab_set_memory { PFNLAB_SET_WB, PFNLAB_SET_WC, PFNLAB_SET_UC };

/* The way to make the kernel fail. */
enum pfnlab_harm { PFNLAB_NULL_POINTER, PFNLAB_BUG, PFNLAB_PANIC, PFNLAB_WARN };

#define PFNLAB_RAM_PAGES 16       /* the driver's own pages */
#define PFNLAB_OF_RAM (1ULL << 63) /* in a physical address: relative to the start of these pages */

struct pfnlab_map { __u64 kind, mode, start, len, insert; };
struct pfnlab_unmap { __u64 start, len, even_cows; };
struct pfnlab_area { __u64 addr, len; };
struct pfnlab_remap { __u64 addr, len, mode; };
struct pfnlab_range { __u64 start, len; };
struct pfnlab_kernel_map { __u64 start, len, how; };
struct pfnlab_start { __u64 start; };
struct pfnlab_ends { __u64 start, end; };
struct pfnlab_set { __u64 page, pages, how; };
struct pfnlab_number { __u64 number; };
struct pfnlab_harmed { __u64 how; };

#define PFNLAB_MAP             _IOW('p', 0, struct pfnlab_map)
#define PFNLAB_UNMAP           _IOW('p', 1, struct pfnlab_unmap)
#define PFNLAB_ZAP             _IOW('p', 2, struct pfnlab_area)
#define PFNLAB_CLAIM           _IOW('p', 3, struct pfnlab_range)
#define PFNLAB_RELEASE         _IO('p', 4)
#define PFNLAB_IOREMAP_MAP     _IOW('p', 5, struct pfnlab_kernel_map)
#define PFNLAB_IOREMAP_UNMAP   _IOW('p', 6, struct pfnlab_start)
#define PFNLAB_FAULTS          _IOR('p', 7, struct pfnlab_number)
#define PFNLAB_REMAP_LIVE      _IOW('p', 8, struct pfnlab_remap)
#define PFNLAB_MEMTYPE_FREE    _IOW('p', 9, struct pfnlab_ends)
#define PFNLAB_MEMREMAP_MAP    _IOW('p', 10, struct pfnlab_kernel_map)
#define PFNLAB_MEMREMAP_UNMAP  _IOW('p', 11, struct pfnlab_start)
#define PFNLAB_IO_MAPPING      _IOW('p', 12, struct pfnlab_range)
#define PFNLAB_IO_MAPPING_FREE _IOW('p', 13, struct pfnlab_start)
#define PFNLAB_SET_MEMORY      _IOW('p', 14, struct pfnlab_set)
#define PFNLAB_RAM             _IOR('p', 15, struct pfnlab_number)
#define PFNLAB_RESET           _IO('p', 16)
#define PFNLAB_RESERVE_WC      _IOW('p', 17, struct pfnlab_range)
#define PFNLAB_FREE_WC         _IOW('p', 18, struct pfnlab_range)
#define PFNLAB_PHYS_WC_ADD     _IOWR('p', 19, struct pfnlab_range)
#define PFNLAB_PAGES_MAP       _IOW('p', 20, struct pfnlab_kernel_map)
#define PFNLAB_PAGES_UNMAP     _IOW('p', 21, struct pfnlab_start)
#define PFNLAB_OOPS            _IOW('p', 22, struct pfnlab_harmed)
#define PFNLAB_PARK            _IOW('p', 23, struct pfnlab_range)
#define PFNLAB_WATCH           _IO('p', 24)
#define PFNLAB_SET_PAGES       _IOW('p', 25, struct pfnlab_set)

/* Each command that a host request can name, by its word. */
#define PFNLAB_EACH_COMMAND(COMMAND) \
	COMMAND("map", PFNLAB_MAP) COMMAND("unmap", PFNLAB_UNMAP) COMMAND("zap", PFNLAB_ZAP) \
	COMMAND("remap", PFNLAB_REMAP_LIVE) COMMAND("claim", PFNLAB_CLAIM) COMMAND("release", PFNLAB_RELEASE) \
	COMMAND("ioremap", PFNLAB_IOREMAP_MAP) COMMAND("iounmap", PFNLAB_IOREMAP_UNMAP) \
	COMMAND("memremap", PFNLAB_MEMREMAP_MAP) COMMAND("memunmap", PFNLAB_MEMREMAP_UNMAP) \
	COMMAND("io-mapping", PFNLAB_IO_MAPPING) COMMAND("io-mapping-free", PFNLAB_IO_MAPPING_FREE) \
	COMMAND("set-memory", PFNLAB_SET_MEMORY) COMMAND("set-pages", PFNLAB_SET_PAGES) \
	COMMAND("memtype-free", PFNLAB_MEMTYPE_FREE) COMMAND("ram", PFNLAB_RAM) \
	COMMAND("faults", PFNLAB_FAULTS) COMMAND("reserve-wc", PFNLAB_RESERVE_WC) \
	COMMAND("free-wc", PFNLAB_FREE_WC) COMMAND("phys-wc-add", PFNLAB_PHYS_WC_ADD) \
	COMMAND("memremap-pages", PFNLAB_PAGES_MAP) COMMAND("memunmap-pages", PFNLAB_PAGES_UNMAP) \
	COMMAND("watch", PFNLAB_WATCH) COMMAND("oops", PFNLAB_OOPS)

#endif
