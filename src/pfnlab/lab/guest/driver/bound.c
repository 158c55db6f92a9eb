// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver for the device under test, in the sense of the PCI bus. It has no ids, so it is bound only if its name is
 * written to the device's driver_override and the device's address to `bind`.
 */
#include <linux/ioport.h>
#include <linux/pci.h>

#include "driver.h"

#define BAR 2

/* This takes away what the device's users have of it: the claim revokes mappings. The driver itself maps nothing. */
static int probe(struct pci_dev *device, const struct pci_device_id *id)
{
	int error = pci_enable_device(device);

	if (error)
		return error;
	error = pci_request_region(device, BAR, "pfnlab");
	if (error)
		pci_disable_device(device);
	return error;
}

static void let_go(struct pci_dev *device)
{
	pci_release_region(device, BAR);
	pci_disable_device(device);
}

static struct pci_driver driver = {
	.name = "pfnlab",
	.probe = probe,
	.remove = let_go,
};

static struct resource parked = { .name = "pfnlab parked", .flags = IORESOURCE_MEM };

/*
 * A range of addresses that is not assigned to any device: it is in the resource tree, but nobody has claimed it, so
 * nothing is revoked. Length 0 removes it again.
 */
long park(const struct pfnlab_range *ask)
{
	int error;

	if (parked.parent) {
		error = remove_resource(&parked);
		if (error)
			return error;
	}
	if (!ask->len)
		return 0;
	parked.start = ask->start;
	parked.end = ask->start + ask->len - 1;
	return insert_resource(&iomem_resource, &parked);
}

int pci_driver_open(void)
{
	return pci_register_driver(&driver);
}
