/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device under test through vfio-pci: bound at boot, and open while a program that needs it runs.
 * The agent keeps the descriptor; tasks fetch a copy of it for every call.
 */
#define _GNU_SOURCE             /* dup3 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

#define pwrite(...) RECORDED(pwrite(__VA_ARGS__))
#define ioctl(...) RECORDED(ioctl(__VA_ARGS__))
static const struct { pid_t holder; const char *address; } here = { 1, DEVICE_ADDRESS };
#include "calls/vfio.c"

static bool bound;
static enum { UNUSED, OPEN, CLOSED } state;     /* for the device, in this program */

/* Load modules in name order: /vfio-00.ko, /vfio-01.ko. Return NULL, or why it cannot be done. */
static const char *load(void)
{
	char path[] = "/vfio-00.ko";

	for (;; path[7]++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		long failed;

		if (fd < 0)
			return path[7] == '0' ? "there is no vfio-pci in this image" : NULL;
		failed = syscall(SYS_finit_module, fd, "", 0);
		close(fd);
		if (failed && errno != EEXIST)
			return "a module of vfio-pci cannot be loaded";
	}
}

/* Bind the device for good; return NULL, or why it cannot be done. */
const char *vfio_bind(void)
{
	const char *wrong = bound ? NULL : load();

	if (wrong || bound)
		return wrong;
	bound = !write_text(DEVICE "/driver_override", "vfio-pci") &&
		!write_text("/sys/bus/pci/drivers_probe", here.address);
	return bound ? NULL : "the device cannot be bound to vfio-pci";
}

/*
 * Prepare everything needed to open the device; return NULL, or why it cannot be done. The kernel's messages about it
 * are dropped.
 */
const char *vfio_prepare(void)
{
	const char *wrong = vfio_bind();

	if (!wrong && group < 0)
		wrong = open_group(DEVICE "/iommu_group");
	if (wrong)
		vfio_end();
	observe_log(false);
	return wrong;
}

/* Open the device, with its memory enabled, for the program's first operation on it; -1 with errno. */
int vfio_open(void)
{
	int device;

	if (state != UNUSED)
		return 0;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, here.address);
	if (device < 0)
		return -1;
	dup3(device, VFIO_FD, O_CLOEXEC);
	close(device);
	state = OPEN;
	return enable_memory(VFIO_FD, true);
}

/* Close the descriptor; mappings of the device keep it open. */
int vfio_close(void)
{
	if (state != OPEN) {
		errno = EBADF;
		return -1;
	}
	state = CLOSED;
	return close(VFIO_FD);
}

/* Nothing from a program keeps the device open. */
void vfio_end(void)
{
	if (state == OPEN)
		vfio_close();
	state = UNUSED;
	if (group >= 0)
		close(group);
	if (container >= 0)
		close(container);
	group = container = -1;
}

/* A copy of the agent's descriptor, in a task. */
int vfio_fetch(void)
{
	return fetch_vfio();
}

/* Change the device's memory decoding or its power state, or reset all of it; -1 with errno. */
int vfio_change(const struct op *op)
{
	return op->verb == MEMORY ? memory(op->arg[0]) : op->verb == POWER ? power(op->arg[0]) : reset_vfio();
}
