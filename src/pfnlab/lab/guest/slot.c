/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The device under test on its bus: in its own slot behind a root port, or next to the channel. It is found through
 * links, which are dangling while the kernel does not have the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define IN_SLOT "0000:01:00.0"
#define PCI_DEVICES "/sys/bus/pci/devices/"
#define DRIVER "/sys/bus/pci/drivers/pfnlab"
#define COMES_LIMIT_MS 8000       /* less than the limit of an operation */

static struct range at_boot;      /* its BAR; this is the agent's, a task may be another image */

void slot_open(void)
{
	bool in_slot = !access(PCI_DEVICES IN_SLOT, F_OK);

	if (symlink(in_slot ? PCI_DEVICES IN_SLOT : PCI_DEVICES DEVICE_ADDRESS, DEVICE) ||
	    symlink(in_slot ? "/proc/bus/pci/01/00.0" : "/proc/bus/pci/00/10.0", DEVICE_PROC))
		give_up("no links to the device under test");
	slot_bar(&at_boot);
}

/* Third line of the resource file: BAR2, "START LAST FLAGS". False if there is no device. */
bool slot_bar(struct range *bar)
{
	char text[1024];
	const char *at = text;

	read_text(DEVICE "/resource", text, sizeof text);
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

/* Enable the device, unless it is enabled already; true if it is enabled now. With a driver, sysfs refuses. */
bool slot_enabled(void)
{
	char count[16];

	read_text(DEVICE "/enable", count, sizeof count);
	return (count[0] && count[0] != '0') || !write_text(DEVICE "/enable", "1");
}

/* Enable the device, which must be at its boot-time address or right after it; -1 with errno. */
static int enable(void)
{
	struct range bar;

	if (!slot_bar(&bar) || !slot_enabled()) {
		errno = ENODEV;
		return -1;
	}
	if (!access(DRIVER, F_OK))
		slot_matches();
	errno = EADDRNOTAVAIL;
	return bar.start == at_boot.start || bar.start == at_boot.end ? 0 : -1;
}

/*
 * Wait until the kernel has noticed that the slot is FULL, and enable what is in it, or that it is empty; -1 with
 * errno. A device appears before the kernel has looked for its driver, and one that matches by then would be bound. The
 * kernel does both under a lock that a rescan takes as well.
 */
int slot_await(bool full)
{
	for (int i = 0; i < COMES_LIMIT_MS / 10; i++) {
		bool in_proc = !access(DEVICE_PROC, F_OK), in_sysfs = !access(DEVICE "/enable", F_OK);

		if (in_proc == full && in_sysfs == full) {
			if (full)
				write_text("/sys/bus/pci/rescan", "1");
			return full ? enable() : 0;
		}
		usleep(10000);
	}
	errno = ETIMEDOUT;
	return -1;
}

/* Make the kernel forget the device; -1 with errno. */
int slot_remove(void)
{
	return write_text(DEVICE "/remove", "1");
}

/* Make the kernel look for devices again, and enable what it finds; -1 with errno. */
int slot_rescan(void)
{
	return write_text("/sys/bus/pci/rescan", "1");
}

/* OP, which goes to a task, has to know where the device was at boot. */
void slot_first_place(struct op *op)
{
	op->arg[0] = at_boot.start;
	op->arg[1] = at_boot.end - at_boot.start;
}

/* The same, while the driver reserves the place where the device was at boot, so that it ends up after it. */
int slot_rescan_moved(uint64_t start, uint64_t length)
{
	int ret, error;

	if (!access(DEVICE "/enable", F_OK))
		return slot_rescan();
	if (driver_park(start, length))
		return -1;
	ret = slot_rescan();
	error = errno;
	driver_park(start, 0);
	errno = error;
	return ret;
}

/* Write the device's address to the driver's file NAME, whether the kernel has the device or not; -1 with errno. */
static int tell_driver(const char *name)
{
	/* On the stack, which is settled: a fault on memory that a fork has shared would look like the program's. */
	char link[64], path[64] = DRIVER;
	ssize_t n = readlink(DEVICE, link, sizeof link - 1);

	if (n < 0)
		return -1;
	link[n] = 0;
	return write_text(strcat(path, name), strrchr(link, '/') + 1);
}

/* Bind the guest driver to the device, or unbind it; -1 with errno. */
int slot_bind(bool bind)
{
	return tell_driver(bind ? "/bind" : "/unbind");
}

/*
 * The guest driver matches the device, which names it, when told to bind, and not before. Written only once per device,
 * because the kernel takes the device's lock for it, which an operation may hold.
 */
void slot_matches(void)
{
	write_text(DEVICE "/driver_override", "pfnlab");
}

/* No driver is bound to the device. */
void slot_unbound(void)
{
	tell_driver("/unbind");
}
