//: prepare_vfio open_group enable_memory skip give_up write_text
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* Give the device to vfio-pci. */
static void prepare_vfio(void)
{
	char path[PATH_MAX];
	const char *wrong;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", here.address);
	write_text(path, "vfio-pci");
	write_text("/sys/bus/pci/drivers_probe", here.address);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", here.address);
	wrong = open_group(path);
	if (wrong)
		skip(wrong);
	here.holder = getpid();
}

/* Open the device, with its memory enabled. */
static void open_vfio(void)
{
	int fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, here.address);

	if (fd < 0 || dup3(fd, VFIO_FD, O_CLOEXEC) < 0 || close(fd) || enable_memory(VFIO_FD, true))
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
