/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device under test on its bus: in a slot of its own, behind a root port, or beside the channel. It is found through
 * links, which lead nowhere while the kernel does not have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define IN_SLOT "0000:01:00.0"
#define PCI_DEVICES "/sys/bus/pci/devices/"
#define COMES_LIMIT_MS 8000       /* less than an operation may take */

static struct range at_boot;      /* its BAR; the agent's, a task may be another image */

void slot_open(void)
{
	bool in_slot = !access(PCI_DEVICES IN_SLOT, F_OK);

	if (symlink(in_slot ? PCI_DEVICES IN_SLOT : PCI_DEVICES DEVICE_ADDRESS, DEVICE) ||
	    symlink(in_slot ? "/proc/bus/pci/01/00.0" : "/proc/bus/pci/00/10.0", DEVICE_PROC))
		give_up("no links to the device under test");
	slot_bar(&at_boot);
}

/* Third line of the resource file: BAR2, "START LAST FLAGS". False when there is no device. */
bool slot_bar(struct range *bar)
{
	char text[1024];
	const char *at = text;

	file_read(DEVICE "/resource", text, sizeof text);
	for (int line = 0; line < 2; line++) {
		at = strchr(at, '\n');
		if (!at)
			return false;
		at++;
	}
	at += 2;
	bar->start = hex(&at);
	at += 3;
	bar->end = hex(&at) + 1;
	return true;
}

/* The device answers from now on, where it did at boot; -1 with errno. */
static int enable(void)
{
	struct range bar;

	if (!slot_bar(&bar) || !file_write(DEVICE "/enable", "1")) {
		errno = ENODEV;
		return -1;
	}
	errno = EADDRNOTAVAIL;
	return bar.start == at_boot.start && bar.end == at_boot.end ? 0 : -1;
}

/* Wait until the kernel has noticed that the slot is FULL, and enable what is in it, or that it is empty; -1 with errno. */
int slot_await(bool full)
{
	for (int i = 0; i < COMES_LIMIT_MS / 10; i++) {
		bool in_proc = !access(DEVICE_PROC, F_OK), in_sysfs = !access(DEVICE "/enable", F_OK);

		if (in_proc == full && in_sysfs == full)
			return full ? enable() : 0;
		usleep(10000);
	}
	errno = ETIMEDOUT;
	return -1;
}

static int write_one(const char *path, bool order)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret, error;

	if (fd < 0)
		return -1;
	if (order)
		order_record(true);
	ret = write(fd, "1", 1) == 1 ? 0 : -1;
	error = errno;
	if (order)
		order_record(false);
	close(fd);
	errno = error;
	return ret;
}

/* The kernel forgets the device; -1 with errno. */
int slot_remove(bool order)
{
	return write_one(DEVICE "/remove", order);
}

/* The kernel looks for devices again, and the agent enables what it finds: -1 with errno. */
int slot_rescan(bool order)
{
	return write_one("/sys/bus/pci/rescan", order);
}
