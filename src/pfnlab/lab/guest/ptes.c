/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task's page tables, read from kernel memory through /proc/kcore: task list, mm, top table, then down the direct
 * map, with one read per table. Equal or consecutive entries are reported as runs.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define SEGMENTS 64
#define PRESENT 0x1UL
#define LARGE 0x80UL              /* a leaf, at levels 2 and 3 */
#define PROT_NONE_BIT 0x100UL     /* in an entry that is not present: the frame number is stored inverted */
#define FRAME 0x000ffffffffff000UL
#define TASKS_SEEN 4096
#define FIELDS 4096               /* tasks, pid and mm are within this many bytes of a task_struct */

char ptes_state[64] = "not opened";
int ptes_levels = 4;

static int kcore = -1;
static Elf64_Phdr segment[SEGMENTS];
static int segments;
static uint64_t direct_map;
static uint64_t fields_at, fields_size;

bool kernel_read(uint64_t address, void *to, size_t n)
{
	for (int i = 0; i < segments; i++) {
		const Elf64_Phdr *s = &segment[i];

		if (address >= s->p_vaddr && address + n <= s->p_vaddr + s->p_memsz)
			return pread(kcore, to, n, s->p_offset + (address - s->p_vaddr)) == (ssize_t)n;
	}
	return false;
}

static bool open_kcore(void)
{
	Elf64_Ehdr header;
	ssize_t size;

	kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	if (kcore < 0 || pread(kcore, &header, sizeof header, 0) != sizeof header || header.e_phnum > SEGMENTS)
		return false;
	size = header.e_phnum * sizeof *segment;
	if (pread(kcore, segment, size, header.e_phoff) != size)
		return false;
	for (int i = 0; i < header.e_phnum; i++)
		if (segment[i].p_type == PT_LOAD)
			segment[segments++] = segment[i];
	return true;
}

/* The kernel address of PID's top table, or 0. New tasks are at the end of the list, so it is read backwards. */
static uint64_t top_table(pid_t pid)
{
	uint64_t task = offsets.init_task;

	for (int i = 0; i < TASKS_SEEN; i++) {
		char fields[FIELDS];
		uint64_t mm, pgd, previous;
		pid_t its;

		if (!kernel_read(task + fields_at, fields, fields_size))
			return 0;
		memcpy(&its, fields + (offsets.pid - fields_at), sizeof its);
		if (its == pid) {
			memcpy(&mm, fields + (offsets.mm - fields_at), sizeof mm);
			return mm && kernel_read(mm + offsets.pgd, &pgd, sizeof pgd) ? pgd : 0;
		}
		memcpy(&previous, fields + (offsets.tasks + 8 - fields_at), sizeof previous);
		task = previous - offsets.tasks;
		if (task == offsets.init_task)
			return 0;
	}
	return 0;
}

/*
 * Part of one table per level is cached during an observation, because neighbouring areas share the upper tables. Only
 * what is walked is read: on an emulated CPU, copying a page costs more than a second read.
 */
#define AROUND 8UL                /* entries are read in groups of this size */

static struct { uint64_t address, from, to, entry[512]; } seen[6];

static void forget_seen(void)
{
	for (int level = 0; level < 6; level++)
		seen[level].address = 0;
}

/* The table at ADDRESS, with at least the entries FROM to LAST filled in; NULL if it cannot be read. */
static const uint64_t *table(uint64_t address, int level, uint64_t from, uint64_t last)
{
	if (seen[level].address == address && seen[level].from <= from && last < seen[level].to)
		return seen[level].entry;
	from &= ~(AROUND - 1);
	seen[level].address = 0;
	seen[level].from = from;
	seen[level].to = (last | (AROUND - 1)) + 1;
	if (!kernel_read(address + from * 8, seen[level].entry + from, (seen[level].to - from) * 8))
		return NULL;
	seen[level].address = address;
	return seen[level].entry;
}

static bool leaf(uint64_t entry, int level)
{
	return level == 1 || !(entry & PRESENT) || (level <= 3 && (entry & LARGE));
}

/* The run being collected. */
static struct { int slot, level, stride; uint64_t start, pages, entry; } run;

static void say_run(void)
{
	if (!run.pages)
		return;
	say("p ");
	say_decimal(run.slot);
	say(" ");
	say_hex(run.start);
	say(" ");
	say_hex(run.pages);
	say(" ");
	say_decimal(run.level);
	say(" ");
	say_hex(run.entry);
	say(" ");
	say_decimal(run.stride);
	say("\n");
	run.pages = 0;
}

/* Add ENTRY to the run if it continues the run; only 4K entries and holes are joined. */
static bool joins(uint64_t start, uint64_t entry, int level)
{
	int stride;

	if (!run.pages || run.level != level || run.start + run.pages * PAGE != start)
		return false;
	if (!run.entry && !entry)
		return true;
	if (level != 1 || !run.entry || !entry)
		return false;
	stride = !(run.entry & PRESENT) && (run.entry & PROT_NONE_BIT) ? -1 : 1;
	if (run.pages == 1 && (entry == run.entry || entry == run.entry + stride * PAGE))
		run.stride = entry == run.entry ? 0 : stride;
	return entry == run.entry + run.stride * run.pages * PAGE;
}

static void add(uint64_t start, uint64_t pages, uint64_t entry, int level)
{
	if (joins(start, entry, level)) {
		run.pages += pages;
		return;
	}
	say_run();
	run.start = start;
	run.pages = pages;
	run.entry = entry;
	run.level = level;
	run.stride = 0;
}

/* Report what lies in [start, end) of the range that the table at ADDRESS covers. */
static void walk(uint64_t address, int level, uint64_t start, uint64_t end)
{
	int shift = PAGE_SHIFT + 9 * (level - 1);
	uint64_t span = 1UL << shift;
	uint64_t last = (end - 1) >> shift & 511;

	while (start < end) {
		const uint64_t *entries = table(address, level, start >> shift & 511, last);
		uint64_t entry, next = (start & ~(span - 1)) + span;

		if (!entries)
			return;
		if (next > end || next < start)
			next = end;
		entry = entries[start >> shift & 511];
		if (leaf(entry, level))
			add(start, (next - start) >> PAGE_SHIFT, entry, level);
		else
			walk(direct_map + (entry & FRAME), level - 1, start, next);
		start = next;
	}
}

void observe_ptes(int slot, const struct range *area, int areas)
{
	struct task *task = &tasks[slot];

	if (strcmp(ptes_state, "ok"))
		return;
	if (!task->pgd)
		task->pgd = top_table(task->pid);
	if (!task->pgd)
		return;
	forget_seen();
	run.slot = slot;
	run.pages = 0;
	for (int i = 0; i < areas; i++) {
		walk(task->pgd, ptes_levels, area[i].start, area[i].end);
		say_run();
	}
}

/* Find a word of our own through the tables; if that works, the offsets are right. */
static bool proven(void)
{
	static volatile uint64_t mark[2] __attribute__((aligned(16)));
	uint64_t address = (uint64_t)mark, at, found[2] = { 0 };
	uint64_t low = offsets.tasks, high = offsets.tasks;

	mark[0] = address ^ 0x70666e6c61623a29;
	mark[1] = ~mark[0];
	low = offsets.pid < low ? offsets.pid : low;
	low = offsets.mm < low ? offsets.mm : low;
	high = offsets.pid > high ? offsets.pid : high;
	high = offsets.mm > high ? offsets.mm : high;
	fields_at = low;
	fields_size = high + 16 - low;
	if (fields_size > FIELDS || !kernel_read(offsets.page_offset_base, &direct_map, sizeof direct_map))
		return false;
	at = top_table(1);
	forget_seen();
	for (int level = ptes_levels; at && level >= 1; level--) {
		uint64_t index = address >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
		const uint64_t *entries = table(at, level, index, index);
		uint64_t entry = entries ? entries[index] : 0;

		if (!(entry & PRESENT))
			return false;
		at = direct_map + (entry & FRAME);
	}
	return at && kernel_read(at + (address & (PAGE - 1)), found, sizeof found) &&
	       found[0] == mark[0] && found[1] == mark[1];
}

/* Use the offsets on the command line if they prove right, else search. */
void ptes_open(void)
{
	static char text[16384];
	const char *given, *why;

	read_text("/proc/cpuinfo", text, sizeof text);
	if (strstr(text, " la57"))
		ptes_levels = 5;
	if (!open_kcore()) {
		strcpy(ptes_state, "/proc/kcore cannot be read");
		return;
	}
	read_text("/proc/cmdline", text, sizeof text);
	given = strstr(text, "pfnlab.offsets=");
	if (given && offsets_given(strchr(given, '=') + 1) && proven()) {
		strcpy(ptes_state, "ok");
		return;
	}
	why = offsets_search();
	if (!why && !proven())
		why = "what was found does not lead to our own memory";
	strncpy(ptes_state, why ? why : "ok", sizeof ptes_state - 1);
}
