//: region
#include <linux/vfio.h>
#include <stdint.h>
/* Where a region's bytes are in the device's file, in every kernel. */
#define REGION(index) ((uint64_t)(index) << 40)

/* The number of the device's descriptor in the first process. */
#define VFIO_FD 50

//: open_group
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* Held only by the first process, so that it can close them; tasks fetch a copy for every call. */
static int container = -1, group = -1;

/* The IOMMU group of the device at LINK, in its own container; NULL, or why it cannot be had. */
static const char *open_group(const char *link)
{
	char path[PATH_MAX] = "/dev/vfio/", name[PATH_MAX];
	ssize_t length = readlink(link, name, sizeof(name) - 1);

	if (length <= 0)
		return "the device has no IOMMU group: boot with an IOMMU, as intel_iommu=on";
	name[length] = 0;
	strncat(path, strrchr(name, '/') + 1, 64);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return "the device cannot be had through vfio-pci: load the module, and bind no other driver";
	return NULL;
}

//: fetch_vfio region
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
/* A copy of the first process's descriptor. */
static int fetch_vfio(void)
{
	int holder = syscall(SYS_pidfd_open, here.holder, 0);
	int fd = holder < 0 ? -1 : syscall(SYS_pidfd_getfd, holder, VFIO_FD, 0), error = errno;

	if (holder >= 0)
		close(holder);
	errno = error;
	return fd;
}

//: enable_memory region
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <unistd.h>
/* The memory bit in the command register. */
static long enable_memory(int fd, bool on)
{
	uint16_t command = PCI_COMMAND_MASTER | (on ? PCI_COMMAND_MEMORY : 0);
	uint64_t at = REGION(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND;

	return pwrite(fd, &command, sizeof(command), at) == sizeof(command) ? 0 : -1;
}

//: memory fetch_vfio enable_memory
static long memory(bool on)
{
	int fd = fetch_vfio(), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = enable_memory(fd, on);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

//: power fetch_vfio
#include <linux/pci_regs.h>
/* The power state, which is in a capability in the configuration space. */
static long power(uint16_t state)
{
	const uint64_t config = REGION(VFIO_PCI_CONFIG_REGION_INDEX);
	uint64_t link = PCI_CAPABILITY_LIST;
	uint8_t at = 0, kind = 0;
	int fd = fetch_vfio(), error = ENOTTY;
	ssize_t done = -1;

	if (fd < 0)
		return -1;
	for (; pread(fd, &at, 1, config + link) == 1 && at; link = at + 1) {
		if (pread(fd, &kind, 1, config + at) == 1 && kind == PCI_CAP_ID_PM) {
			done = pwrite(fd, &state, sizeof(state), config + at + PCI_PM_CTRL);
			error = errno;
			break;
		}
	}
	close(fd);
	errno = error;
	return done == sizeof(state) ? 0 : -1;
}

//: reset_vfio fetch_vfio
#include <sys/ioctl.h>
static long reset_vfio(void)
{
	int fd = fetch_vfio(), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, VFIO_DEVICE_RESET);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}
