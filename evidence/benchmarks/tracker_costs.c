/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a kernel takes for what a tracker has a part in: nanoseconds of one round of each workload, the
 * best of several batches. tracker_costs.py compiles it into the first process of a guest.
 *
 * Arguments, as those of the selftest: -- FILE, a PCI resource file of four pages that is write-combining.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 4
#define BATCHES 7

static int file;
static char *place;               /* addresses that are free, for mappings that move */

static char *mapped(void)
{
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void whole(void)
{
	munmap(mapped(), PAGES * PAGE);
}

static void hole(void)
{
	char *p = mapped();

	munmap(p + PAGE, PAGE);
	munmap(p, PAGES * PAGE);
}

static void pages(void)
{
	char *p = mapped();

	for (int i = 0; i < PAGES; i++)
		munmap(p + i * PAGE, PAGE);
}

static void move(void)
{
	char *p = mapped();

	p = mremap(p, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (p == MAP_FAILED) {
		perror("mremap");
		exit(1);
	}
	munmap(p, PAGES * PAGE);
}

static void forks(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static double nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void measure(const char *name, void (*round)(void), int rounds)
{
	double best = 0;

	for (int batch = 0; batch < BATCHES; batch++) {
		double begin = nanoseconds(), took;

		for (int i = 0; i < rounds; i++)
			round();
		took = (nanoseconds() - begin) / rounds;
		if (!batch || took < best)
			best = took;
	}
	printf("cost %s %.0f\n", name, best);
}

int main(int argc, char **argv)
{
	file = argc > 2 ? open(argv[2], O_RDWR) : -1;
	if (file < 0) {
		perror("open");
		return 1;
	}
	place = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(place, 64 * PAGE);
	measure("whole", whole, 1000);
	measure("hole", hole, 1000);
	measure("pages", pages, 500);
	measure("move", move, 500);
	measure("fork without", forks, 50);
	for (int i = 0; i < 16; i++)
		mapped();
	measure("fork with 16", forks, 50);
	return 0;
}
