//: prepare_vfio skip give_up read_text write_text
#include <fcntl.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* Where the bytes of a region are in the device's file, in every kernel. */
#define REGION(index) ((uint64_t)(index) << 40)

/* The number of the device's descriptor in the first process. */
#define VFIO_FD 50

/* Held by the first process alone, so that it can close them; tasks fetch a copy for every call. */
static int container = -1, group = -1;

/* Give the device to vfio-pci. */
static void prepare_vfio(void)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", here.address);
	write_text(path, "vfio-pci");
	write_text("/sys/bus/pci/drivers_probe", here.address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", here.address);
	length = readlink(path, link, sizeof(link) - 1);
	if (length <= 0)
		skip("the device has no IOMMU group: boot with an IOMMU, as intel_iommu=on");
	link[length] = 0;
	snprintf(path, sizeof(path), "/dev/vfio/%.64s", strrchr(link, '/') + 1);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		skip("the device cannot be had through vfio-pci: load the module, and bind no other driver");
	here.holder = getpid();
}

/* Open the device, with its memory enabled. */
static void open_vfio(void)
{
	uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, here.address);

	if (fd < 0 || dup3(fd, VFIO_FD, O_CLOEXEC) < 0 || close(fd) ||
	    pwrite(VFIO_FD, &command, sizeof(command), REGION(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND) < 0)
		give_up("vfio-pci does not give the device, or its memory cannot be enabled");
}

/* In the first process: nothing but mappings keeps the device open. */
static long close_vfio(void)
{
	return close(VFIO_FD);
}

static void end_vfio(void)
{
	close_vfio();
	close(group);
	close(container);
}

/* A task has what it fetches, and nothing else. */
static void forget_vfio(void)
{
	close(VFIO_FD);
	close(group);
	close(container);
}

//: fetch_vfio prepare_vfio
#include <errno.h>
#include <sys/syscall.h>
/* A copy of the first process' descriptor. */
static int fetch_vfio(void)
{
	int holder = syscall(SYS_pidfd_open, here.holder, 0);
	int fd = holder < 0 ? -1 : syscall(SYS_pidfd_getfd, holder, VFIO_FD, 0), error = errno;

	if (holder >= 0)
		close(holder);
	errno = error;
	return fd;
}

//: memory fetch_vfio
/* The memory bit of the command register. */
static long memory(bool on)
{
	uint16_t command = PCI_COMMAND_MASTER | (on ? PCI_COMMAND_MEMORY : 0);
	int fd = fetch_vfio(), error;
	ssize_t done;

	if (fd < 0)
		return -1;
	done = pwrite(fd, &command, sizeof(command), REGION(VFIO_PCI_CONFIG_REGION_INDEX) + PCI_COMMAND);
	error = errno;
	close(fd);
	errno = error;
	return done == sizeof(command) ? 0 : -1;
}

//: power fetch_vfio
/* The power state, which is behind a capability in the configuration space. */
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
