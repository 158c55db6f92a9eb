// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The init of a guest: a page is copied on write in a private mapping of a PCI device, and its entry is made anew in each
 * way there is. copied_modes.py boots it, and looks at the entry from outside whenever a line MARK is printed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define PAGE 4096UL
#define CHUNK (8UL << 20)
#define CHUNKS 64

static volatile char *page;
static const char *swap, *slow;
static char *chunks[CHUNKS];

static void fail(const char *what)
{
	printf("\nFAIL %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
}

/* Without a system call, so that the processor keeps the page tables of this process. */
static void mark(const char *name)
{
	struct timespec begun, now;

	printf("\nMARK %s %lx\n", name, (unsigned long)page);
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while (now.tv_sec - begun.tv_sec < 4);
}

/* The large disk is for swap, the small one is slow; which is found first is a matter of timing. */
static void find_disks(void)
{
	long sectors = 0;
	FILE *file = fopen("/sys/block/nvme0n1/size", "r");

	if (!file || fscanf(file, "%ld", &sectors) != 1)
		fail("the size of a disk");
	swap = sectors > 100000 ? "/dev/nvme0n1" : "/dev/nvme1n1";
	slow = sectors > 100000 ? "/dev/nvme1n1" : "/dev/nvme0n1";
}

static void map_device(void)
{
	char path[300] = "", id[32];
	struct dirent *entry;
	DIR *devices = opendir("/sys/bus/pci/devices");

	while (devices && (entry = readdir(devices))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", entry->d_name);
		FILE *file = fopen(path, "r");
		if (file && fgets(id, sizeof(id), file) && !strcmp(id, "0x1110\n")) {
			snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2_wc", entry->d_name);
			break;
		}
	}
	int fd = open(path, O_RDWR);
	char *at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (fd < 0 || at == MAP_FAILED)
		fail(path);
	page = at + PAGE;
}

/* What smaps says of the device's mapping. */
static int swapped(void)
{
	char line[200];
	unsigned long start, end;
	int here = 0, kilobytes = 0;
	FILE *file = fopen("/proc/self/smaps", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (unsigned long)page && (unsigned long)page < end;
		else if (here)
			sscanf(line, "Swap: %d kB", &kilobytes);
	}
	fclose(file);
	return kilobytes;
}

static void swap_out(void)
{
	for (int i = 0; i < CHUNKS && !swapped(); i++) {
		chunks[i] = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (unsigned long at = 0; at < CHUNK; at += PAGE)
			chunks[i][at] = 1;
	}
	if (!swapped())
		fail("it was not swapped out");
	for (int i = 0; i < CHUNKS; i++)
		if (chunks[i])
			munmap(chunks[i], CHUNK);
	memset(chunks, 0, sizeof(chunks));
}

/* A disk of one request a second reads into the page: it is pinned most of the time. */
static void *pin(void *unused)
{
	int fd = open(slow, O_RDONLY | O_DIRECT);

	for (int i = 0; i < 8; i++)
		if (pread(fd, (void *)page, PAGE, 0) != PAGE)
			fail("O_DIRECT");
	return unused;
}

int main(void)
{
	pthread_t thread;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	find_disks();
	map_device();

	*page = 7;
	mark("copied");

	if (swapon(swap, 0))
		fail("swapon");
	swap_out();
	printf("\nVALUE %d\n", *page);
	mark("swapped-in");

	swap_out();
	if (swapoff(swap))
		fail("swapoff");
	mark("swap-off");

	if (madvise((void *)page, PAGE, MADV_SOFT_OFFLINE))
		fail("MADV_SOFT_OFFLINE");
	printf("\nVALUE %d\n", *page);
	mark("migrated");

	*page = 8;
	if (pthread_create(&thread, NULL, pin, NULL))
		fail("a thread");
	usleep(2500000);
	pid_t child = fork();
	if (!child) {
		mark("pinned-child");
		_exit(0);
	}
	waitpid(child, NULL, 0);
	mark("pinned-parent");
	printf("\nDONE\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
}
