//: read_word add_value
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
/* A word that the kernel reads for the task in some WAY. */
static long read_word(ssize_t (*way)(void *at, void *bytes, size_t length), void *at)
{
	uint32_t word = 0;
	ssize_t moved = way(at, &word, sizeof(word));

	if (moved == sizeof(word)) {
		add_value("%u", word);
		return 0;
	}
	if (moved >= 0)
		errno = EIO;
	return -1;
}

//: write_word
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
/* A word that the kernel writes for the task in some WAY. */
static long write_word(ssize_t (*way)(void *at, void *bytes, size_t length), void *at, uint32_t word)
{
	ssize_t moved = way(at, &word, sizeof(word));

	if (moved >= 0 && moved != sizeof(word))
		errno = EIO;
	return moved == sizeof(word) ? 0 : -1;
}

//: read_bytes run_of add_value
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
/* How many bytes were read in some WAY, and which: equal ones as "00*4", those that ascend as "07+8". */
static long read_bytes(ssize_t (*way)(void *at, void *bytes, size_t length), char *at, size_t length, bool tells)
{
	static uint8_t byte[16384];
	ssize_t moved = way(at, byte, length), i, run;

	if (moved < 0)
		return -1;
	add_value("%zd byte%s%s", moved, moved == 1 ? "" : "s", tells ? ":" : "");
	for (i = 0; tells && i < moved; i += run) {
		ssize_t equal = run_of(byte + i, moved - i, 0), rising = run_of(byte + i, moved - i, 1);

		run = rising > equal ? rising : equal;
		if (run > 1)
			add_value(" %02x%c%zd", byte[i], rising > equal ? '+' : '*', run);
		else
			add_value(" %02x", byte[i]);
	}
	return 0;
}

//: write_bytes add_value
#include <stdint.h>
#include <sys/types.h>
/* How many bytes were written in some WAY; they ascend from FIRST. */
static long write_bytes(ssize_t (*way)(void *at, void *bytes, size_t length), char *at, size_t length,
			uint8_t first)
{
	static uint8_t byte[16384];
	ssize_t moved;
	size_t i;

	for (i = 0; i < length; i++)
		byte[i] = first + i;
	moved = way(at, byte, length);
	if (moved < 0)
		return -1;
	add_value("%zd byte%s", moved, moved == 1 ? "" : "s");
	return 0;
}

//: counted add_value
/* A call whose result is a number. */
static long counted(long number)
{
	if (number < 0)
		return -1;
	add_value("%ld", number);
	return 0;
}

//: untold values
/* A value that is the machine's own affair. */
static long untold(long ret)
{
	if (ret >= 0)
		value[0] = 0;
	return ret;
}

//: move_pages ask_nodes add_value errno_name
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
/* Where each page is, or what becomes of it where it is to go to node 0. */
static long move_pages(char *at, uint64_t pages, bool to_node0)
{
	static void *page_at[1024];
	static int status[1024], node0[1024];
	uint64_t i;

	if (ask_nodes(at, pages, page_at, to_node0 ? node0 : NULL, status))
		return -1;
	for (i = 0; i < pages; i++) {
		add_value("%s", i ? " " : "");
		if (status[i] >= 0)
			add_value("node%d", status[i]);
		else
			add_value("%s", errno_name(-status[i]));
	}
	return 0;
}

//: pagemap read_pagemap add_value
#include <stdint.h>
/* The bits of /proc/self/pagemap that say what a page is. */
static long pagemap(char *at, uint64_t pages)
{
	static const struct { int bit; const char *name; } bits[] = {
		{ 63, "present" }, { 62, "swapped" }, { 61, "file" }, { 58, "guard" }, { 57, "uffd-wp" },
		{ 56, "exclusive" }, { 55, "soft-dirty" },
	};
	static uint64_t entry[1024];
	uint64_t i;
	size_t k;

	if (read_pagemap(at, pages, entry))
		return -1;
	for (i = 0; i < pages; i++) {
		const char *between = "";

		add_value("%s", i ? " " : "");
		for (k = 0; k < sizeof(bits) / sizeof(*bits); k++) {
			if (entry[i] >> bits[k].bit & 1) {
				add_value("%s%s", between, bits[k].name);
				between = "+";
			}
		}
		add_value("%s", *between ? "" : "-");
	}
	return 0;
}

//: pagemap_scan scan add_value named_range
#include <stdint.h>
/* The categories of pages, region by region. */
static long pagemap_scan(char *at, uint64_t pages)
{
	static const struct { int bit; const char *name; } bits[] = {
		{ 3, "present" }, { 4, "swapped" }, { 2, "file" }, { 8, "guard" }, { 1, "written" },
		{ 5, "pfnzero" }, { 6, "huge" }, { 7, "soft-dirty" },
	};
	static struct region region[MOST_REGIONS];
	long found = scan(at, pages, region), i;
	size_t k;

	for (i = 0; i < found; i++) {
		const char *between = " ";

		add_value("%s", i ? "; " : "");
		named_range((char *)(uintptr_t)region[i].start, (region[i].end - region[i].start) / PAGE);
		for (k = 0; k < sizeof(bits) / sizeof(*bits); k++) {
			if (region[i].categories >> bits[k].bit & 1) {
				add_value("%s%s", between, bits[k].name);
				between = "+";
			}
		}
	}
	return found < 0 ? -1 : 0;
}

//: numa_maps add_value named_range
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The counts of /proc/self/numa_maps for VMAs that begin in the range. */
static long numa_maps(char *at, uint64_t pages)
{
	FILE *file = fopen("/proc/self/numa_maps", "re");
	char line[4096], *rest, *word;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		char *start = (char *)strtoul(line, NULL, 16);
		bool said = false;

		if (start < at || start >= at + pages * PAGE)
			continue;
		strtok_r(line, " \n", &rest);
		while ((word = strtok_r(NULL, " \n", &rest))) {
			if (!strchr(word, '=') || !strncmp(word, "file=", 5) || !strncmp(word, "active=", 7) ||
			    !strncmp(word, "kernelpagesize", 14) || !strncmp(word, "swapcache=", 10))
				continue;
			if (!said) {
				add_value("%s", *value ? "; " : "");
				named_range(start, 0);
			}
			said = true;
			add_value(" %s", word);
		}
	}
	return fclose(file);
}

//: named_range add_value
#include <stdint.h>
/* An address as "a[0]", or with a number of pages as "a[0:4]". */
static void named_range(const char *at, long pages)
{
	size_t i;

	for (i = 0; i < sizeof(areas) / sizeof(*areas); i++) {
		long page = (at - areas[i].at) / PAGE;

		if (at < areas[i].at || page >= areas[i].pages)
			continue;
		add_value("%s[%ld", areas[i].name, page);
		if (pages)
			add_value(":%ld", page + pages);
		add_value("]");
		return;
	}
	add_value("%p", (const void *)at);
}

//: smaps add_value named_range
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
/* Rss of every VMA that meets the range; the file is read to its end, so the kernel walks all of them. */
static long smaps(char *at, uint64_t pages)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end, rss;
	bool meets = false;
	char line[4096];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			meets = start < (uintptr_t)at + pages * PAGE && (uintptr_t)at < end;
			if (meets) {
				add_value("%s", *value ? "; " : "");
				named_range((char *)start, (end - start) / PAGE);
			}
		} else if (meets && sscanf(line, "Rss: %lu", &rss) == 1) {
			add_value(" Rss=%lu", rss);
		}
	}
	return fclose(file);
}

//: add_fields
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
/* Rss and Anonymous of a file of the task, in all; of VMAs that meet the range nothing is added. */
static long add_fields(const char *path, const char *at, uint64_t pages, unsigned long sum[2])
{
	FILE *file = fopen(path, "re");
	unsigned long start, end, number;
	bool counts = true;
	char line[4096];

	sum[0] = sum[1] = 0;
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			counts = !pages || start >= (uintptr_t)at + pages * PAGE || (uintptr_t)at >= end;
		else if (counts && sscanf(line, "Rss: %lu", &number) == 1)
			sum[0] += number;
		else if (counts && sscanf(line, "Anonymous: %lu", &number) == 1)
			sum[1] += number;
	}
	return fclose(file);
}

//: smaps_rollup add_value add_fields
#include <errno.h>
#include <stdint.h>
#include <string.h>
/* What the VMAs that meet the range add to smaps_rollup; smaps has what the others do, once the program's own memory is still. */
static long smaps_rollup(const char *at, uint64_t pages)
{
	static const char rollup[] = "/proc/self/smaps_rollup";
	unsigned long before[2], others[2], whole[2];
	int tries = 8;

	if (add_fields(rollup, at, 0, whole))
		return -1;
	do {
		memcpy(before, whole, sizeof(before));
		if (add_fields("/proc/self/smaps", at, pages, others) || add_fields(rollup, at, 0, whole))
			return -1;
	} while (memcmp(before, whole, sizeof(before)) && --tries);
	if (!tries) {
		errno = EAGAIN;
		return -1;
	}
	add_value("Rss=%lu Anonymous=%lu", whole[0] - others[0], whole[1] - others[1]);
	return 0;
}

//: locked_memory add_value read_text
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
/* VmLck and VmPin of /proc/self/status in kB; N after mlockall, which locks the program's own memory too. */
static long locked_memory(bool all_locked)
{
	char text[8192];
	unsigned long locked = 0, pinned = 0;
	const char *at;

	read_text("/proc/self/status", text, sizeof(text));
	at = strstr(text, "\nVmLck:");
	if (!at || sscanf(at, " VmLck: %lu", &locked) != 1)
		return -1;
	at = strstr(text, "\nVmPin:");
	if (!at || sscanf(at, " VmPin: %lu", &pinned) != 1)
		return -1;
	if (all_locked)
		add_value("VmLck=N VmPin=%lu", pinned);
	else
		add_value("VmLck=%lu VmPin=%lu", locked, pinned);
	return 0;
}
