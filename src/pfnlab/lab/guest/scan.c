/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The ioctl of /proc/self/pagemap that looks for pages, and writes nothing. Kernels have it since 6.7, C libraries' headers
 * mostly later.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

#define OLDEST_CATEGORIES 0xfe    /* all but those that the mapping's userfaultfd allows */
#define NEWEST_CATEGORIES 0x1fe   /* guard regions too */

/* struct pm_scan_arg */
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN _IOWR('f', 16, struct scan)

/* Pages with any category of the mask, told by all of the mask; how many regions, -1 with the error. */
static long scan(int fd, uint64_t start, uint64_t length, uint64_t mask)
{
	struct scan arg = {
		.size = sizeof arg, .start = start, .end = start + length, .vec = (uintptr_t)scratch->regions,
		.vec_len = MINCORE_PAGES, .category_anyof_mask = mask, .return_mask = mask,
	};

	return ioctl(fd, SCAN, &arg);
}

/* "START END CATEGORIES" of every region, in pages from the range's first on, and the kernel's bits; all decimal. */
void scan_pagemap(const struct op *op, struct answer *answer)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t mask = scan(fd, 0, 0, NEWEST_CATEGORIES) ? OLDEST_CATEGORIES : NEWEST_CATEGORIES;
	long found;

	if (op->order)
		order_record(true);
	found = scan(fd, op->arg[1], op->arg[2], mask);
	answer->error = errno;
	if (op->order)
		order_record(false);
	close(fd);
	answer->ret = found < 0 ? -1 : 0;
	for (long i = 0; i < found && !answer->ret; i++) {
		add_number(answer, (scratch->regions[i].start - op->arg[1]) >> PAGE_SHIFT);
		add_number(answer, (scratch->regions[i].end - op->arg[1]) >> PAGE_SHIFT);
		add_number(answer, scratch->regions[i].categories);
	}
	answer->kind = answer->value && !answer->ret ? DIGITS : NO_VALUE;
}
