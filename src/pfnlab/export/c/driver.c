//: find_driver skip
#include <unistd.h>
static void find_driver(void)
{
	if (access(DRIVER_DEVICE, F_OK))
		skip("there is no " DRIVER_DEVICE ": insmod " DRIVER_NAME ".ko");
}

//: open_driver
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* The module's device, which maps in that way from now on. */
static int open_driver(unsigned long way)
{
	int fd = open(DRIVER_DEVICE, O_RDWR | O_CLOEXEC), error;

	if (fd >= 0 && ioctl(fd, DRIVER_WAY, way)) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

//: ask_driver
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* The module does something to LEN bytes from START on. */
static long ask_driver(unsigned long command, uint64_t start, uint64_t len)
{
	struct driver_request ask = { .start = start, .len = len };
	int fd = open(DRIVER_DEVICE, O_RDWR | O_CLOEXEC), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, command, &ask);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

//: find_ram skip
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* The physical address of the module's own pages. */
static uint64_t find_ram(void)
{
	struct driver_request ask = { 0 };
	int fd = open(DRIVER_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, DRIVER_RAM, &ask))
		skip("the module does not say where its memory is");
	close(fd);
	return ask.start;
}

//: match_driver write_text
#include <limits.h>
#include <stdio.h>
/* The module's driver and no other is the device's, once somebody binds it. */
static void match_driver(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", here.address);
	write_text(path, name);
}

//: tell_driver write_text
#include <limits.h>
#include <stdio.h>
/* One of the files `bind` and `unbind` of the driver is given the device's address. */
static long tell_driver(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/" DRIVER_NAME "/%s", name);
	return write_text(path, here.address);
}

//: rescan_matched rescan match_driver
/* The driver's device is new when it comes back. */
static long rescan_matched(void)
{
	long ret = rescan();

	match_driver(DRIVER_NAME);
	return ret;
}
