// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernel mappings, claims and cache-mode changes that a driver asks for. As in mappings.c, we hold no lock of ours
 * while the kernel works.
 */
#include <linux/io-mapping.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kprobes.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <asm/set_memory.h>

#include "driver.h"

static DEFINE_SPINLOCK(lock);              /* protects helds and claimed */
static struct pfnlab_range claimed;         /* len 0: nothing */

/* The kernel's own mappings, for as long as someone holds them; newest first. */
struct held {
	struct list_head link;
	unsigned int undo;                  /* the request that releases it */
	u64 start, len;
	void *at;
};

static LIST_HEAD(helds);

static long hold(unsigned int undo, u64 start, u64 len, void *at)
{
	struct held *held;

	if (!at)
		return -ENOMEM;
	held = kmalloc(sizeof(*held), GFP_KERNEL | __GFP_NOFAIL);
	*held = (struct held){ .undo = undo, .start = start, .len = len, .at = at };
	spin_lock(&lock);
	list_add(&held->link, &helds);
	spin_unlock(&lock);
	return 0;
}

/* The address that a request means: a physical one, or a place in the driver's own pages. */
static u64 physical(u64 start)
{
	return start & PFNLAB_OF_RAM ? PFN_PHYS(page_to_pfn(driver_ram)) + (start & ~PFNLAB_OF_RAM) : start;
}

/* Struct pages for device memory, which get their book entry the way remap_pfn_range does. */
static long map_pages(const struct pfnlab_kernel_map *ask, u64 start)
{
	struct dev_pagemap *map = kzalloc(sizeof(*map), GFP_KERNEL | __GFP_NOFAIL);
	void *at;

	map->type = ask->how ? MEMORY_DEVICE_PCI_P2PDMA : MEMORY_DEVICE_GENERIC;
	map->range = (struct range){ .start = start, .end = start + ask->len - 1 };
	map->nr_range = 1;
	at = memremap_pages(map, NUMA_NO_NODE);
	if (!IS_ERR(at))
		return hold(PFNLAB_PAGES_UNMAP, start, ask->len, map);
	kfree(map);
	return PTR_ERR(at);
}

static void unmap_pages(struct dev_pagemap *map)
{
	memunmap_pages(map);
	kfree(map);
}

static void let_go(struct held *held)
{
	if (held->undo == PFNLAB_IOREMAP_UNMAP)
		iounmap((void __iomem *)held->at);
	else if (held->undo == PFNLAB_MEMREMAP_UNMAP)
		memunmap(held->at);
	else if (held->undo == PFNLAB_FREE_WC)
		arch_io_free_memtype_wc(held->start, held->len);
	else if (held->undo == PFNLAB_PAGES_UNMAP)
		unmap_pages(held->at);
	else
		io_mapping_free(held->at);
	kfree(held);
}

/* Take the newest mapping off the list: one with that UNDO, START and LEN, each of which counts only if it is not 0. */
static struct held *taken(unsigned int undo, u64 start, u64 len)
{
	struct held *held, *found = NULL;

	spin_lock(&lock);
	list_for_each_entry(held, &helds, link) {
		if ((!undo || held->undo == undo) && (!start || held->start == start) &&
		    (!len || held->len == len)) {
			found = held;
			list_del(&found->link);
			break;
		}
	}
	spin_unlock(&lock);
	return found;
}

static long let_go_of(unsigned int undo, u64 start)
{
	struct held *held = taken(undo, start, 0);

	if (held)
		let_go(held);
	return held ? 0 : -ENOENT;
}

static long ioremap_held(const struct pfnlab_kernel_map *ask, u64 start)
{
	static void __iomem *(*const ways[])(resource_size_t, unsigned long) = {
		[PFNLAB_IOREMAP] = ioremap, [PFNLAB_IOREMAP_WC] = ioremap_wc,
		[PFNLAB_IOREMAP_CACHE] = ioremap_cache, [PFNLAB_IOREMAP_UC] = ioremap_uc,
		[PFNLAB_IOREMAP_WT] = ioremap_wt,
	};

	if (ask->how >= ARRAY_SIZE(ways))
		return -EINVAL;
	return hold(PFNLAB_IOREMAP_UNMAP, start, ask->len, (void __force *)ways[ask->how](start, ask->len));
}

static long reserve_wc(u64 start, u64 len)
{
	long error = arch_io_reserve_memtype_wc(start, len);

	return error ?: hold(PFNLAB_FREE_WC, start, len, &helds);
}

/* Any range that is requested is freed; after that there is nothing left to undo of what was reserved. */
static void free_wc(u64 start, u64 len)
{
	struct held *held = taken(PFNLAB_FREE_WC, start, len);

	if (held)
		let_go(held);
	else
		arch_io_free_memtype_wc(start, len);
}

/* Return what was claimed. From now on WHAT is claimed, unless both are something. */
static struct pfnlab_range claim_now(struct pfnlab_range what)
{
	struct pfnlab_range before;

	spin_lock(&lock);
	before = claimed;
	if (!before.len || !what.len)
		claimed = what;
	spin_unlock(&lock);
	return before;
}

static long claim(const struct pfnlab_range *ask)
{
	if (!ask->len)
		return -EINVAL;
	if (claim_now(*ask).len)
		return -EBUSY;
	if (request_mem_region(ask->start, ask->len, "pfnlab"))
		return 0;
	claim_now((struct pfnlab_range){});
	return -EBUSY;
}

static void release(void)
{
	struct pfnlab_range before = claim_now((struct pfnlab_range){});

	if (before.len)
		release_mem_region(before.start, before.len);
}

/* Some of the driver's own pages, and a mode. */
static bool may_be_set(const struct pfnlab_set *ask)
{
	return ask->how <= PFNLAB_SET_UC && ask->page < PFNLAB_RAM_PAGES && ask->pages &&
	       ask->pages <= PFNLAB_RAM_PAGES - ask->page;
}

static long set_memory(const struct pfnlab_set *ask)
{
	unsigned long at = (unsigned long)page_address(driver_ram) + (ask->page << PAGE_SHIFT);

	if (!may_be_set(ask))
		return -EINVAL;
	return ask->how == PFNLAB_SET_WB ? set_memory_wb(at, ask->pages) :
		ask->how == PFNLAB_SET_WC ? set_memory_wc(at, ask->pages) : set_memory_uc(at, ask->pages);
}

/* The way the page pool of graphics drivers does it, whose pages may be anywhere. */
static long set_pages_array(const struct pfnlab_set *ask)
{
	struct page **pages = own_pages + ask->page;

	if (!may_be_set(ask))
		return -EINVAL;
	return ask->how == PFNLAB_SET_WB ? set_pages_array_wb(pages, ask->pages) :
		ask->how == PFNLAB_SET_WC ? set_pages_array_wc(pages, ask->pages) :
					    set_pages_array_uc(pages, ask->pages);
}

/* The address of a function that is not exported, found with a kprobe. NULL if there is none. */
void *address_of(const char *function)
{
	struct kprobe probe = { .symbol_name = function };

	if (register_kprobe(&probe))
		return NULL;
	unregister_kprobe(&probe);
	return probe.addr;
}

static long memtype_free_at(const struct pfnlab_ends *ask)
{
	int (*memtype_free)(u64 start, u64 end) = address_of("memtype_free");

	return memtype_free ? memtype_free(ask->start, ask->end) : -ENOENT;
}

/* The state after loading. */
static void undo_all(void)
{
	struct held *held;

	while ((held = taken(0, 0, 0)))
		let_go(held);
	release();
	/* A reservation of these pages changed the direct map even if it was freed again. */
	set_memory(&(struct pfnlab_set){ .pages = PFNLAB_RAM_PAGES, .how = PFNLAB_SET_WB });
	memset(page_address(driver_ram), 0, PFNLAB_RAM_PAGES * PAGE_SIZE);
	forget_writes();
}

long kernel_request(unsigned int command, union request *ask)
{
	u64 start = physical(ask->start.start);

	switch (command) {
	case PFNLAB_CLAIM:
		return claim(&ask->range);
	case PFNLAB_RELEASE:
		release();
		return 0;
	case PFNLAB_IOREMAP_MAP:
		return ioremap_held(&ask->kernel_map, start);
	case PFNLAB_MEMREMAP_MAP:
		return hold(PFNLAB_MEMREMAP_UNMAP, start, ask->kernel_map.len,
			    memremap(start, ask->kernel_map.len, ask->kernel_map.how));
	case PFNLAB_IO_MAPPING:
		return hold(PFNLAB_IO_MAPPING_FREE, start, ask->range.len,
			    io_mapping_create_wc(start, ask->range.len));
	case PFNLAB_RESERVE_WC:
		return reserve_wc(start, ask->range.len);
	case PFNLAB_FREE_WC:
		free_wc(start, ask->range.len);
		return 0;
	case PFNLAB_PHYS_WC_ADD:
		ask->number.number = arch_phys_wc_add(start, ask->range.len);
		return 0;
	case PFNLAB_PAGES_MAP:
		return map_pages(&ask->kernel_map, start);
	case PFNLAB_IOREMAP_UNMAP:
	case PFNLAB_MEMREMAP_UNMAP:
	case PFNLAB_IO_MAPPING_FREE:
	case PFNLAB_PAGES_UNMAP:
		return let_go_of(command, start);
	case PFNLAB_SET_MEMORY:
		return set_memory(&ask->set);
	case PFNLAB_SET_PAGES:
		return set_pages_array(&ask->set);
	case PFNLAB_MEMTYPE_FREE:
		return memtype_free_at(&ask->ends);
	case PFNLAB_RESET:
		undo_all();
		return 0;
	default:
		return -ENOTTY;
	}
}
