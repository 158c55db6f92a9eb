/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test driver (driver/): loaded from the image at boot, and called by command name.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "driver/pfnlab.h"

#define MODULE "/pfnlab.ko"

#define NAMED(name, request) { name, request },
static const struct { const char *name; unsigned int request; } commands[] = { PFNLAB_EACH_COMMAND(NAMED) };

static bool used;                 /* since the last reset */
static __thread struct pfnlab_map next_map;     /* how the next mmap by this task populates */

/* The number of the command called NAME; -1 if there is none. */
int driver_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(name, commands[i].name))
			return i;
	return -1;
}

/* Number of numbers COMMAND takes. */
int driver_arguments(int command)
{
	if (command < 0 || !(_IOC_DIR(commands[command].request) & _IOC_WRITE))
		return 0;
	return _IOC_SIZE(commands[command].request) / sizeof(uint64_t);
}

int driver_open(void)
{
	return open(PFNLAB_DEVICE, O_RDWR | O_CLOEXEC);
}

/*
 * Load the driver; return NULL, or the reason why it cannot be loaded. The kernel's messages about loading it are
 * dropped.
 */
const char *driver_load(void)
{
	int fd;
	long failed;

	if (!access(PFNLAB_DEVICE, F_OK)) {
		used = true;
		return NULL;
	}
	fd = open(MODULE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return "there is no driver in this image";
	failed = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	if (failed)
		return errno == ENOEXEC ? "the driver was built for another kernel" : "the driver cannot be loaded";
	used = true;
	/* When first enabled, it gets an interrupt, which the kernel logs. */
	slot_enabled();
	slot_matches();
	observe_log(false);
	return NULL;
}

/* A file that populates as the task's last `map` specified. */
int driver_open_to_map(void)
{
	bool second = next_map.kind >= PFNLAB_EXPORT && next_map.kind <= PFNLAB_SIMPLE_IOREMAP;
	int fd = open(second ? PFNLAB_EXPORT_DEVICE : PFNLAB_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		ioctl(fd, PFNLAB_MAP, &next_map);
	return fd;
}

void driver_operate(const uint64_t *arg, struct answer *answer)
{
	unsigned int request = commands[arg[0]].request;
	uint64_t asked[ARGS];
	int fd = driver_open();

	if (request == PFNLAB_MAP)
		memcpy(&next_map, arg + 1, sizeof next_map);
	memcpy(asked, arg + 1, sizeof asked - sizeof *asked);
	answer->ret = fd < 0 ? -1 : ioctl(fd, request, asked);
	answer->error = errno;
	if (fd >= 0)
		close(fd);
	if (!answer->ret && (_IOC_DIR(request) & _IOC_READ)) {
		answer->kind = NUMBER;
		answer->value = asked[0];
	}
}

/* Keep physical bytes from being assigned to a device; with LENGTH 0, stop doing so. -1 with errno. */
int driver_park(uint64_t start, uint64_t length)
{
	struct pfnlab_range range = { start, length };
	int fd = driver_open(), ret = fd < 0 ? -1 : ioctl(fd, PFNLAB_PARK, &range), error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ret;
}

/* Nothing from a program stays in the driver, and the kernel's messages about that belong to no later program. */
void driver_reset(void)
{
	int fd = used ? driver_open() : -1;

	used = false;
	if (fd < 0)
		return;
	ioctl(fd, PFNLAB_RESET);
	close(fd);
	slot_unbound();
	observe_log(false);
}
