/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process that maps what a driver offers, touches every page, and stays: for scripts in the guest's shell.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"

/* A buffer from a graphics device, as user space requests one from any DRM driver (include/uapi/drm/drm_mode.h). */
struct create_dumb {
	uint32_t height, width, bpp, flags, handle, pitch;
	uint64_t size;
};

struct map_dumb {
	uint32_t handle, pad;
	uint64_t offset;
};

#define CREATE_DUMB _IOWR('d', 0xb2, struct create_dumb)
#define MAP_DUMB _IOWR('d', 0xb3, struct map_dumb)

/* The offset at which to map the file's buffer of at least LENGTH bytes. */
static uint64_t buffer_of(int fd, size_t length)
{
	struct create_dumb buffer = { .width = PAGE / 4, .bpp = 32, .height = (length + PAGE - 1) / PAGE };
	struct map_dumb place = { 0 };

	if (ioctl(fd, CREATE_DUMB, &buffer))
		_exit(3);
	place.handle = buffer.handle;
	if (ioctl(fd, MAP_DUMB, &place))
		_exit(4);
	return place.offset;
}

/* Map LENGTH bytes of a file from OFFSET on, both as C writes numbers; OFFSET "buffer" maps a new buffer there. */
void map_and_stay(const char *path, const char *offset, const char *length)
{
	size_t size = strtoul(length, NULL, 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	volatile char *at;
	uint64_t start;

	if (fd < 0)
		_exit(2);
	start = strcmp(offset, "buffer") ? strtoul(offset, NULL, 0) : buffer_of(fd, size);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	if (at == MAP_FAILED)
		_exit(1);
	for (size_t page = 0; page < size; page += PAGE)
		at[page];
	for (;;)
		pause();
}
