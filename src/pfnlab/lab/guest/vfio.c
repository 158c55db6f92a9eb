/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device under test through vfio-pci: bound when the first program needs it, open while such a program runs.
 * The agent keeps the descriptor; tasks fetch a copy of it for every call.
 */
#define _GNU_SOURCE             /* dup3 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

#define VFIO_FD 50                /* in the agent */
#define REGION(index) ((uint64_t)(index) << 40)   /* where its bytes are in the file, in every kernel */

static int group = -1, container = -1;
static bool bound;
static enum { UNUSED, OPEN, CLOSED } state;     /* of the device, in this program */

/* Load modules in the order of their names: /vfio-00.ko, /vfio-01.ko. NULL, or why it cannot be done. */
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

static const char *bind_device(void)
{
	const char *wrong = bound ? NULL : load();

	if (wrong || bound)
		return wrong;
	bound = file_write(DEVICE "/driver_override", "vfio-pci") &&
		file_write("/sys/bus/pci/drivers_probe", DEVICE_ADDRESS);
	return bound ? NULL : "the device cannot be bound to vfio-pci";
}

static const char *open_group(void)
{
	char path[64] = "/dev/vfio/";
	char link[256];
	ssize_t n = readlink(DEVICE "/iommu_group", link, sizeof link - 1);

	if (n <= 0)
		return "the device has no IOMMU group";
	link[n] = 0;
	strncat(path, strrchr(link, '/') + 1, sizeof path - strlen(path) - 1);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0)
		return "the IOMMU group of the device cannot be opened";
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return "the IOMMU cannot be had";
	return NULL;
}

/* All that opening the device takes; NULL, or why it cannot be had. What the kernel says of it is nobody's business. */
const char *vfio_prepare(void)
{
	const char *wrong = bind_device();

	if (!wrong && group < 0)
		wrong = open_group();
	if (wrong)
		vfio_end();
	observe_log(false);
	return wrong;
}

/* Open the device for the program's first operation on it, with its memory enabled; -1 with errno. */
int vfio_open(void)
{
	int device;

	if (state != UNUSED)
		return 0;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, DEVICE_ADDRESS);
	if (device < 0)
		return -1;
	dup3(device, VFIO_FD, O_CLOEXEC);
	close(device);
	state = OPEN;
	return vfio_memory(VFIO_FD, true);
}

/* Close the descriptor; what maps the device keeps it open. */
int vfio_close(void)
{
	if (state != OPEN) {
		errno = EBADF;
		return -1;
	}
	state = CLOSED;
	return close(VFIO_FD);
}

/* Nothing of a program keeps the device open. */
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
	int agent = syscall(SYS_pidfd_open, 1, 0);
	int fd = agent < 0 ? -1 : syscall(SYS_pidfd_getfd, agent, VFIO_FD, 0), error = errno;

	if (agent >= 0)
		close(agent);
	errno = error;
	return fd;
}

/* Where the device has its power state, behind a capability in its configuration space; 0 where it has none. */
int vfio_power_at(int fd)
{
	const uint64_t config = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	uint8_t at = 0, kind = 0;

	for (uint64_t link = PCI_CAPABILITY_LIST; pread(fd, &at, 1, config + link) == 1 && at; link = at + 1)
		if (pread(fd, &kind, 1, config + at) == 1 && kind == PCI_CAP_ID_PM)
			return at + PCI_PM_CTRL;
	return 0;
}

/* Write the power state, 0 to 3, which is AT; -1 with errno. */
int vfio_power(int fd, int at, int state)
{
	uint64_t config = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t control = state;

	if (!at) {
		errno = ENOTTY;
		return -1;
	}
	return pwrite(fd, &control, sizeof control, config + at) == sizeof control ? 0 : -1;
}

/* Reset the device; -1 with errno. */
int vfio_reset(int fd)
{
	return ioctl(fd, VFIO_DEVICE_RESET);
}

/* Write the memory bit of the command register; -1 with errno. */
int vfio_memory(int fd, bool on)
{
	uint16_t command = PCI_COMMAND_MASTER | (on ? PCI_COMMAND_MEMORY : 0);
	uint64_t at = REGION(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND;

	return pwrite(fd, &command, sizeof command, at) == sizeof command ? 0 : -1;
}
