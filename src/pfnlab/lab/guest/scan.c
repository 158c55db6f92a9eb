/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/self/pagemap: its entries, and the ioctl that searches its pages.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

#define pread(...) RECORDED(pread(__VA_ARGS__))
#define ioctl(...) RECORDED(ioctl(__VA_ARGS__))
#include "calls/pagemap.c"

#define PAGEMAP_SHIFT 55          /* the bits below belong to the frame */

/* Three hexadecimal digits per page: the bits of its pagemap entry from 55 up. */
void tell_pagemap(const struct op *op, struct answer *answer)
{
	uint64_t *entry = scratch->pagemap, count = pages_of(op, answer);

	if (!count)
		return;
	memset(entry, 0, sizeof scratch->pagemap);
	answer->ret = read_pagemap((void *)op->arg[1], count, entry);
	answer->error = errno;
	answer->kind = answer->ret ? NO_VALUE : DIGITS;
	answer->value = count * 3;
	for (uint64_t i = 0; i < count; i++)
		for (int digit = 0; digit < 3; digit++)
			answer->text[i * 3 + digit] =
				"0123456789abcdef"[entry[i] >> (PAGEMAP_SHIFT + 8 - 4 * digit) & 15];
}

/*
 * "START END CATEGORIES" for every region, in pages from the first page of the range, with the kernel's bits; all
 * decimal.
 */
void scan_pagemap(const struct op *op, struct answer *answer)
{
	struct region *region = (struct region *)scratch->regions;
	long found = scan((void *)op->arg[1], op->arg[2] / PAGE, region);

	answer->error = errno;
	answer->ret = found < 0 ? -1 : 0;
	for (long i = 0; i < found && !answer->ret; i++) {
		add_number(answer, (region[i].start - op->arg[1]) >> PAGE_SHIFT);
		add_number(answer, (region[i].end - op->arg[1]) >> PAGE_SHIFT);
		add_number(answer, region[i].categories);
	}
	answer->kind = answer->value && !answer->ret ? DIGITS : NO_VALUE;
}
