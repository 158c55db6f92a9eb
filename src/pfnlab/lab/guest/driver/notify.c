// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A notifier on an address space, such as a driver has that uses the same page tables by itself. The ranges it is
 * notified of are stored next to it. pfnlab reads them in the guest's memory, from the address space's list of
 * notifiers.
 */
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "driver.h"

#ifdef CONFIG_MMU_NOTIFIER

#define TOLD_MAGIC 0x31646c6f74666e70ULL   /* "pnftold1" */
#define TOLD_RANGES 256

struct watched {
	struct mmu_notifier notifier;
	/* Directly after it, as pfnlab reads it; the newest ranges have overwritten the oldest. */
	u64 magic, told;
	struct { u64 start, end; } ranges[TOLD_RANGES];
	spinlock_t lock;
	bool known;
};

static struct watched *watched_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct watched, notifier);
}

static int told(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct watched *watched = watched_of(notifier);

	spin_lock(&watched->lock);
	watched->ranges[watched->told % TOLD_RANGES].start = range->start;
	watched->ranges[watched->told % TOLD_RANGES].end = range->end;
	watched->told++;
	spin_unlock(&watched->lock);
	return 0;
}

/* The address space goes away, and we go with it. */
static void released(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	mmu_notifier_put(notifier);
}

static struct mmu_notifier *allocated(struct mm_struct *mm)
{
	struct watched *watched = kzalloc(sizeof(*watched), GFP_KERNEL | __GFP_NOFAIL);

	watched->magic = TOLD_MAGIC;
	spin_lock_init(&watched->lock);
	return &watched->notifier;
}

static void freed(struct mmu_notifier *notifier)
{
	kfree(watched_of(notifier));
}

static const struct mmu_notifier_ops operations = {
	.release = released,
	.invalidate_range_start = told,
	.alloc_notifier = allocated,
	.free_notifier = freed,
};

/* From now on the caller's address space has a notifier. */
long watch(void)
{
	struct mmu_notifier *notifier = mmu_notifier_get(&operations, current->mm);

	if (IS_ERR(notifier))
		return PTR_ERR(notifier);
	if (watched_of(notifier)->known)
		mmu_notifier_put(notifier);
	watched_of(notifier)->known = true;
	return 0;
}

#else

long watch(void)
{
	return -EOPNOTSUPP;
}

#endif
