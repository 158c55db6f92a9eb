/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a guest that counts the processors a munmap interrupts: a thread of it on every processor
 * runs in user mode, or sleeps, while the first one unmaps four mappings of a device, as far apart as the
 * arguments say, in pages. The kernel's own counters say who was interrupted: the lines TLB (flushes for others)
 * and CAL (calls for others, of which these are some) of /proc/interrupts, before and after the call.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "first_process.h"

#define DEVICE "/sys/bus/pci/devices/0000:00:06.0/"   /* reached_processors.py puts it there */
#define PLACE ((char *)0x10000000000)                 /* far from everything else, so its page tables go */
#define PAGE 4096L
#define MAPPINGS 4
#define TIMES 5
#define MOST_CPUS 64
#define SLEEP_US 200000                               /* until a processor without work is idle */

struct counters {
	long tlb[MOST_CPUS], cal[MOST_CPUS];
};

static atomic_int awake = 1, asleep;
static int processors, file;
static char text[1 << 17];

static void pin(long cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one))
		perror("sched_setaffinity");
}

static void *beside(void *cpu)
{
	pin((long)cpu);
	for (;;) {
		while (atomic_load(&awake))
			;
		atomic_fetch_add(&asleep, 1);
		syscall(SYS_futex, &awake, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		while (!atomic_load(&awake))
			;
		atomic_fetch_sub(&asleep, 1);
	}
	return NULL;
}

static void all_be(int running)
{
	atomic_store(&awake, running);
	if (running)
		syscall(SYS_futex, &awake, FUTEX_WAKE_PRIVATE, MOST_CPUS, NULL, NULL, 0);
	while (atomic_load(&asleep) != (running ? 0 : processors - 1))
		;
	usleep(SLEEP_US);
}

static void count(const char *name, long *numbers)
{
	char *at = strstr(text, name);

	for (int cpu = 0; cpu < processors; cpu++)
		numbers[cpu] = at ? strtol(cpu ? at : at + strlen(name), &at, 10) : -1;
}

static struct counters counted(void)
{
	struct counters found;
	size_t length = 0;
	ssize_t got;

	lseek(file, 0, SEEK_SET);
	while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	text[length] = 0;
	count("TLB:", found.tlb);
	count("CAL:", found.cal);
	return found;
}

static void show(const char *mode, long pages, struct counters before, struct counters after)
{
	printf("reached %s %ld tlb", mode, pages);
	for (int cpu = 0; cpu < processors; cpu++)
		printf(" %ld", after.tlb[cpu] - before.tlb[cpu]);
	printf(" cal");
	for (int cpu = 0; cpu < processors; cpu++)
		printf(" %ld", after.cal[cpu] - before.cal[cpu]);
	printf("\n");
}

static void unmap(const char *mode, long pages, int device)
{
	struct counters before;

	all_be(1);
	for (long number = 0; number < MAPPINGS; number++) {
		void *made = mmap(PLACE + number * pages * PAGE, PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, device, number * PAGE);
		if (made == MAP_FAILED)
			perror("mmap");
	}
	all_be(!strcmp(mode, "running"));
	before = counted();
	munmap(PLACE, ((MAPPINGS - 1) * pages + 1) * PAGE);
	show(mode, pages, before, counted());
}

int main(int count_of, char **distances)
{
	pthread_t thread;
	struct counters before;
	int device;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount_all();
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	file = open("/proc/interrupts", O_RDONLY);
	device = open(DEVICE "enable", O_WRONLY);
	if (write(device, "1", 1) < 0)
		perror(DEVICE "enable");
	close(device);
	device = open(DEVICE "resource2_wc", O_RDWR);
	if (file < 0 || device < 0)
		perror("open");
	pin(0);
	for (long cpu = 1; cpu < processors; cpu++)
		pthread_create(&thread, NULL, beside, (void *)cpu);
	all_be(1);
	counted();
	for (int number = 1; number < count_of; number++) {
		long pages = atol(distances[number]);

		/* The kernel passes on parameters that it does not know. */
		for (int time = 0; pages && time < TIMES; time++) {
			before = counted();
			show("nothing", pages, before, counted());
			unmap("running", pages, device);
			unmap("sleeping", pages, device);
		}
	}
	printf("reached the end with %d processors\n", processors);
	tcdrain(1);
	reboot(RB_AUTOBOOT);
	return 1;
}
