//: arch_phys_wc_add
#include <linux/io.h>

//: held
#include <linux/io.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
/* What the module holds, the newest first, and what undoes it. */
struct held {
	struct list_head link;
	void (*undo)(struct held *held);
	u64 start, len;
	void *at;
};

static LIST_HEAD(helds);
static DEFINE_MUTEX(helds_lock);

static long hold(void (*undo)(struct held *held), u64 start, u64 len, void *at)
{
	struct held *held = at ? kmalloc(sizeof(*held), GFP_KERNEL | __GFP_NOFAIL) : NULL;

	if (!held)
		return -ENOMEM;
	*held = (struct held){ .undo = undo, .start = start, .len = len, .at = at };
	mutex_lock(&helds_lock);
	list_add(&held->link, &helds);
	mutex_unlock(&helds_lock);
	return 0;
}

/* The newest that UNDO undoes, of LEN bytes from START on where LEN is given; of all where UNDO is NULL. */
static long let_go(void (*undo)(struct held *held), u64 start, u64 len)
{
	struct held *held, *found = NULL;

	mutex_lock(&helds_lock);
	list_for_each_entry(held, &helds, link) {
		if ((!undo || held->undo == undo) && (!len || (held->start == start && held->len == len))) {
			found = held;
			list_del(&found->link);
			break;
		}
	}
	mutex_unlock(&helds_lock);
	if (!found)
		return -ENOENT;
	found->undo(found);
	kfree(found);
	return 0;
}

//: undo_ioremap held
static void undo_ioremap(struct held *held)
{
	iounmap((void __iomem *)held->at);
}

//: undo_memremap held
static void undo_memremap(struct held *held)
{
	memunmap(held->at);
}

//: undo_io_mapping held
#include <linux/io-mapping.h>
static void undo_io_mapping(struct held *held)
{
	io_mapping_free(held->at);
}

//: reserve_wc held
static void undo_reserve_wc(struct held *held)
{
	arch_io_free_memtype_wc(held->start, held->len);
}

static long reserve_wc(u64 start, u64 len)
{
	long error = arch_io_reserve_memtype_wc(start, len);

	return error ? error : hold(undo_reserve_wc, start, len, &helds);
}

//: free_wc reserve_wc
/* Whatever is asked for is freed, the module's or another's. */
static void free_wc(u64 start, u64 len)
{
	if (let_go(undo_reserve_wc, start, len))
		arch_io_free_memtype_wc(start, len);
}

//: memremap_pages held
#include <linux/memremap.h>
static void undo_pages(struct held *held)
{
	memunmap_pages(held->at);
	kfree(held->at);
}

/* Struct pages for device memory. */
static long hold_pages(u64 start, u64 len, enum memory_type type)
{
	struct dev_pagemap *map = kzalloc(sizeof(*map), GFP_KERNEL);
	void *at;

	if (!map)
		return -ENOMEM;
	map->type = type;
	map->range = (struct range){ .start = start, .end = start + len - 1 };
	map->nr_range = 1;
	at = memremap_pages(map, NUMA_NO_NODE);
	if (!IS_ERR(at))
		return hold(undo_pages, start, len, map);
	kfree(map);
	return PTR_ERR(at);
}

//: claim
#include <linux/ioport.h>
static struct resource *claimed;

static void release(void)
{
	if (claimed)
		release_mem_region(claimed->start, resource_size(claimed));
	claimed = NULL;
}

/* Mappings of other files to what is claimed are revoked. */
static long claim(u64 start, u64 len)
{
	if (claimed)
		return -EBUSY;
	claimed = request_mem_region(start, len, DRIVER_NAME);
	return claimed ? 0 : -EBUSY;
}

//: set_memory ram
#include <asm/set_memory.h>
/* The cache mode of the module's own pages in the kernel's direct map. */
static long set_memory(int (*set)(unsigned long addr, int pages), u64 start, u64 len)
{
	u64 size = RAM_PAGES * PAGE_SIZE;

	if (start >= size || !len || len > size - start)
		return -EINVAL;
	return set((unsigned long)page_address(ram) + start, len >> PAGE_SHIFT);
}

//: set_pages ram
#include <asm/set_memory.h>
/* The same of an array of pages, which could lie anywhere. */
static long set_pages(int (*set)(struct page **pages, int count), u64 start, u64 len)
{
	u64 size = RAM_PAGES * PAGE_SIZE;
	struct page *pages[RAM_PAGES];
	int i;

	if (start >= size || !len || len > size - start)
		return -EINVAL;
	for (i = 0; i < len >> PAGE_SHIFT; i++)
		pages[i] = ram + (start >> PAGE_SHIFT) + i;
	return set(pages, i);
}

//: pci_driver
#include <linux/pci.h>
/* It has no ids: a device is its own when it is named in driver_override and `bind`. */
static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	int error = pci_enable_device(device);

	if (error)
		return error;
	/* Mappings of other files to its BARs are revoked. */
	error = pci_request_regions(device, DRIVER_NAME);
	if (error)
		pci_disable_device(device);
	return error;
}

static void remove(struct pci_dev *device)
{
	pci_release_regions(device);
	pci_disable_device(device);
}

static struct pci_driver pci_driver = {
	.name = DRIVER_NAME,
	.probe = probe,
	.remove = remove,
};
