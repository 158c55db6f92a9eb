/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a guest that counts the VMAs of all processes: behind the boot, with a BAR that one
 * process maps through its resource file, and with one that a process maps through vfio-pci besides.
 *
 * A line for each: "count WHAT processes N vmas N pfnmap N tracked N".
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "first_process.h"

/* Processes that do nothing, beside the first one and those that map. */
#define IDLE 8
#define MAPPED "0000:00:05.0"
#define INSERTED "0000:00:06.0"
#define PAGES (4 * 4096)

static void fail(const char *what)
{
	perror(what);
	tcdrain(1);
	reboot(RB_AUTOBOOT);
}

/* A process that calls something, says so, and waits to be ended with the guest. */
static void start(void (*begin)(void))
{
	int ready[2];
	char byte;

	if (pipe(ready))
		fail("pipe");
	if (!fork()) {
		if (begin)
			begin();
		if (write(ready[1], "", 1) != 1)
			fail("write");
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		fail("a process did not begin");
	close(ready[0]);
}

static void map_bar(void)
{
	int file = open(PCI "devices/" MAPPED "/resource4_wc", O_RDWR);

	if (file < 0 || mmap(NULL, PAGES, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED)
		fail("resource4_wc");
	close(file);
}

/* BAR 2 of the device of vfio-pci; its first page is read, for 6.1 tracks in the first fault. */
static void map_vfio(void)
{
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR2_REGION_INDEX };
	int container = open("/dev/vfio/vfio", O_RDWR), group, device;
	char path[256], link[256] = "";
	volatile char *pages;
	uint16_t command;

	if (readlink(PCI "devices/" INSERTED "/iommu_group", link, sizeof(link) - 1) < 0)
		fail("iommu_group");
	snprintf(path, sizeof(path), "/dev/vfio/%.16s", strrchr(link, '/') + 1);
	group = open(path, O_RDWR);
	if (container < 0 || group < 0 || ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU))
		fail(path);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, INSERTED);
	if (device < 0 || ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar) ||
	    pread(device, &command, 2, config.offset + PCI_COMMAND) != 2)
		fail(INSERTED);
	command |= PCI_COMMAND_MEMORY;
	if (pwrite(device, &command, 2, config.offset + PCI_COMMAND) != 2)
		fail(INSERTED);
	pages = mmap(NULL, PAGES, PROT_READ, MAP_SHARED, device, bar.offset);
	if (pages == MAP_FAILED)
		fail("BAR 2");
	(void)pages[0];
}

static void count(const char *what)
{
	int processes = 0, vmas = 0, pfnmap = 0, tracked = 0;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], line[512];
	FILE *smaps;

	while (proc && (entry = readdir(proc))) {
		int before = vmas;

		if (atoi(entry->d_name) <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/smaps", entry->d_name);
		smaps = fopen(path, "r");
		while (smaps && fgets(line, sizeof(line), smaps)) {
			if (strncmp(line, "VmFlags:", 8))
				continue;
			vmas++;
			pfnmap += strstr(line, " pf") != NULL;
			tracked += strstr(line, " ar") != NULL;
		}
		if (smaps)
			fclose(smaps);
		/* Threads of the kernel have none. */
		processes += vmas > before;
	}
	closedir(proc);
	printf("count %s processes %d vmas %d pfnmap %d tracked %d\n", what, processes, vmas, pfnmap, tracked);
}

int main(void)
{
	int number;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount_all();
	load_modules();
	write_text(PCI "devices/" MAPPED "/driver/unbind", MAPPED);
	write_text(PCI "devices/" INSERTED "/driver_override", "vfio-pci");
	write_text(PCI "drivers_probe", INSERTED);

	for (number = 0; number < IDLE; number++)
		start(NULL);
	count("booted");
	start(map_bar);
	count("resource");
	start(map_vfio);
	count("vfio");
	printf("count ended with 0\n");
	tcdrain(1);
	reboot(RB_AUTOBOOT);
	return 1;
}
