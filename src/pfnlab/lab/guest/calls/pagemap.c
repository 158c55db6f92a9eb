//: read_pagemap
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
/* The entries in /proc/self/pagemap, all or none. */
static long read_pagemap(void *at, uint64_t pages, uint64_t *entry)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error;
	ssize_t size = pages * sizeof(*entry);
	ssize_t got = pread(fd, entry, size, (off_t)((uintptr_t)at / PAGE * sizeof(*entry)));

	error = got < 0 ? errno : EIO;
	close(fd);
	errno = error;
	return got == size ? 0 : -1;
}

//: scan
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>
#define MOST_REGIONS 1024

/* struct pm_scan_arg and struct page_region, which headers before 6.7 lack. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct region {
	uint64_t start, end, categories;
};

static long scan_for(uint64_t categories, int fd, uint64_t start, uint64_t end, struct region *region)
{
	struct scan_arg arg = {
		.size = sizeof(arg), .start = start, .end = end, .vec = (uintptr_t)region, .vec_len = MOST_REGIONS,
		.category_anyof_mask = categories, .return_mask = categories,
	};

	return ioctl(fd, _IOWR('f', 16, struct scan_arg), &arg);
}

/* How many regions have pages of any category; kernels before 6.15 have no category for guard regions. */
static long scan(void *at, uint64_t pages, struct region *region)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error;
	uint64_t categories = scan_for(0x1fe, fd, 0, 0, region) ? 0xfe : 0x1fe;
	long found = scan_for(categories, fd, (uintptr_t)at, (uintptr_t)at + pages * PAGE, region);

	error = errno;
	close(fd);
	errno = error;
	return found;
}
