/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Other ways to reach a task's pages than its own loads and stores: the kernel reads, writes or reports for the task.
 * In code from calls/, only the kernel calls that the macros name are recorded, not e.g. opening a file.
 */
#define _GNU_SOURCE             /* vmsplice */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"

#define pread(...) RECORDED(pread(__VA_ARGS__))
#define pwrite(...) RECORDED(pwrite(__VA_ARGS__))
#define process_vm_readv(...) RECORDED(process_vm_readv(__VA_ARGS__))
#define process_vm_writev(...) RECORDED(process_vm_writev(__VA_ARGS__))
#define vmsplice(...) RECORDED(vmsplice(__VA_ARGS__))
#define write(...) RECORDED(write(__VA_ARGS__))
#define syscall(...) RECORDED(syscall(__VA_ARGS__))
#define ioctl(...) RECORDED(ioctl(__VA_ARGS__))
#include "calls/memory.c"

#define CGROUP "/sys/fs/cgroup"
#define GROUP CGROUP "/t"

enum walker {
	MEM_READ, MEM_WRITE, PROCESS_VM_WRITEV, PIPE_WRITE, VMSPLICE, FUTEX_WAKE_ONE, MOVE_PAGES, PAGEMAP, NUMA_MAPS,
	SMAPS, USERFAULTFD, STATUS, PROCESS_VM_READV, MOVE_TO_NODE, SMAPS_ROLLUP, PAGEMAP_SCAN_ALL, WALKERS
};

static const char *const names[WALKERS] = {
	[MEM_READ] = "mem_read", [MEM_WRITE] = "mem_write", [PROCESS_VM_WRITEV] = "process_vm_writev",
	[PIPE_WRITE] = "pipe_write", [VMSPLICE] = "vmsplice", [FUTEX_WAKE_ONE] = "futex_wake",
	[MOVE_PAGES] = "move_pages", [PAGEMAP] = "pagemap", [NUMA_MAPS] = "numa_maps", [SMAPS] = "smaps",
	[USERFAULTFD] = "userfaultfd", [STATUS] = "status", [PROCESS_VM_READV] = "process_vm_readv",
	[MOVE_TO_NODE] = "move_pages_node0", [SMAPS_ROLLUP] = "smaps_rollup",
	[PAGEMAP_SCAN_ALL] = "pagemap_scan",
};

/* The ways in which walkers move bytes of the task's memory. */
static ssize_t (*const ways[WALKERS])(void *at, void *bytes, size_t length) = {
	[MEM_READ] = mem_read, [MEM_WRITE] = mem_write, [PROCESS_VM_READV] = read_through,
	[PROCESS_VM_WRITEV] = write_through, [PIPE_WRITE] = copied, [VMSPLICE] = spliced,
};

static bool writes(enum walker walker)
{
	return walker == MEM_WRITE || walker == PROCESS_VM_WRITEV;
}

int walker_number(const char *name)
{
	for (int i = 0; i < WALKERS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* A word, or part of one, that the kernel moved for the task in some way; -1 with errno. */
static int whole(ssize_t moved)
{
	if (moved >= 0 && moved != sizeof(uint32_t))
		errno = EIO;
	return moved == sizeof(uint32_t) ? 0 : -1;
}

static void move_word(const struct op *op, struct answer *answer)
{
	enum walker walker = op->arg[0];
	uint32_t word = op->arg[2];

	errno = 0;
	answer->ret = whole(ways[walker]((void *)op->arg[1], &word, sizeof word));
	answer->error = errno;
	answer->kind = answer->ret || writes(walker) ? NO_VALUE : NUMBER;
	answer->value = word;
}

int read_word_through(void *at)
{
	uint32_t word;

	return whole(read_through(at, &word, sizeof word));
}

static void wake_one(const struct op *op, struct answer *answer)
{
	long woken = wake((void *)op->arg[1]);

	answer->ret = woken < 0 ? -1 : 0;
	answer->error = errno;
	answer->kind = woken < 0 ? NO_VALUE : NUMBER;
	answer->value = woken;
}

/* Number of pages an operation is about; 0, with the error, if there are too many. */
uint64_t pages_of(const struct op *op, struct answer *answer)
{
	uint64_t count = op->arg[2] >> PAGE_SHIFT;

	if (count <= MINCORE_PAGES)
		return count;
	answer->ret = -1;
	answer->error = E2BIG;
	return 0;
}

/*
 * Where each page is, as one letter per page: the digit of its node, e for EFAULT, n for ENOENT, ? for anything else.
 * MOVES: move them to node 0; each letter then shows the result for that page.
 */
static void ask_for_nodes(const struct op *op, struct answer *answer, bool moves)
{
	int *status = scratch->nodes.status, *node0 = scratch->nodes.node0;
	uint64_t count = pages_of(op, answer);

	if (!count)
		return;
	memset(node0, 0, sizeof scratch->nodes.node0);
	answer->ret = ask_nodes((char *)op->arg[1], count, scratch->nodes.page, moves ? node0 : NULL, status);
	answer->error = errno;
	answer->kind = answer->ret ? NO_VALUE : DIGITS;
	answer->value = count;
	for (uint64_t i = 0; i < count; i++)
		answer->text[i] = status[i] >= 0 && status[i] < 10 ? '0' + status[i] : status[i] == -EFAULT ? 'e' :
				  status[i] == -ENOENT ? 'n' : '?';
}

/* One more word in the answer; if it does not fit, the answer is an error. */
void add_text(struct answer *answer, const char *text, size_t n)
{
	if (answer->value + n + 1 > sizeof answer->text) {
		answer->ret = -1;
		answer->error = E2BIG;
		return;
	}
	if (answer->value)
		answer->text[answer->value++] = ' ';
	memcpy(answer->text + answer->value, text, n);
	answer->value += n;
}

/* One more word, decimal. */
void add_number(struct answer *answer, uint64_t number)
{
	char text[20], *at = text + sizeof text;

	do
		*--at = '0' + number % 10;
	while (number /= 10);
	add_text(answer, at, text + sizeof text - at);
}

/*
 * The words that are counts in the lines of numa_maps, for every line that begins in the range and has some: "ADDR
 * anon=1 dirty=1 N0=1".
 */
static void read_numa_maps(const struct op *op, struct answer *answer)
{
	char *text = scratch->text;

	memset(text, 0, sizeof scratch->text);  /* touched before anything is recorded */
	if (op->order)
		order_record(true);
	read_text("/proc/self/numa_maps", text, sizeof scratch->text);
	if (op->order)
		order_record(false);
	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *at = line;
		uint64_t start = hex(&at);
		bool said = false;

		if (start < op->arg[1] || start >= op->arg[1] + op->arg[2])
			continue;
		for (char *more = NULL, *word = strtok_r(line, " ", &more); word; word = strtok_r(NULL, " ", &more)) {
			if (!strchr(word, '=') || starts(word, "file=") || starts(word, "active=") ||
			    starts(word, "kernelpagesize") || starts(word, "swapcache="))
				continue;
			if (!said)
				add_text(answer, line, strlen(line));
			said = true;
			add_text(answer, word, strlen(word));
		}
	}
	answer->kind = answer->value && !answer->ret ? DIGITS : NO_VALUE;
}

/*
 * "START-END RSS" for every VMA that overlaps the range. The file is read to its end, so every VMA of the task is
 * walked; a read returns whole records, up to a page of them.
 */
static void read_smaps(const struct op *op, struct answer *answer)
{
	char text[PAGE + 1] = { 0 };  /* touched before anything is recorded */
	bool meets = false;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (op->order)
		order_record(true);
	while ((got = read(fd, text, PAGE)) > 0) {
		text[got] = 0;
		for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			const char *at = line;
			uint64_t start = hex(&at), end;

			if (at > line && *at == '-') {
				at++;
				end = hex(&at);
				meets = start < op->arg[1] + op->arg[2] && op->arg[1] < end;
				if (meets)
					add_text(answer, line, at - line);
			} else if (meets && starts(line, "Rss:")) {
				at = line + strcspn(line, "0123456789");
				add_text(answer, at, strspn(at, "0123456789"));
			}
		}
	}
	if (got < 0) {
		answer->ret = -1;
		answer->error = errno;
	}
	if (op->order)
		order_record(false);
	close(fd);
	answer->kind = answer->value && !answer->ret ? DIGITS : NO_VALUE;
}

/* Write NUMBER in hexadecimal; return where it ends. */
static char *put_hex(char *to, uint64_t number)
{
	int shift = 60;

	while (shift && !(number >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[number >> shift & 15];
	return to;
}

/* Bytes in runs: "0*10" is 16 equal bytes, "7+8" eight ascending ones; at each position the longer run is used. */
static void tell_bytes(struct answer *answer, const uint8_t *byte, size_t count)
{
	for (size_t i = 0, length; i < count && !answer->ret; i += length) {
		size_t equal = run_of(byte + i, count - i, 0), rising = run_of(byte + i, count - i, 1);
		char run[40], *at;

		length = rising > equal ? rising : equal;
		at = put_hex(run, byte[i]);
		*at++ = rising > equal ? '+' : '*';
		add_text(answer, run, put_hex(at, length) - run);
	}
}

/*
 * Any bytes of the task's own memory, read or written the way the kernel does it for others. The answer is how many,
 * followed by those that were read, unless FIRST says that they are not wanted.
 */
void move_bytes(const struct op *op, struct answer *answer)
{
	uint8_t *byte = scratch->moved;
	enum walker walker = op->arg[0];
	size_t length = op->arg[2] < MOVED_BYTES ? op->arg[2] : MOVED_BYTES;
	char number[20];
	ssize_t moved;

	if (!ways[walker]) {
		answer->ret = -1;
		answer->error = EINVAL;
		return;
	}
	for (size_t i = 0; i < MOVED_BYTES; i++)
		byte[i] = writes(walker) ? op->arg[3] + i : 0;
	errno = 0;
	moved = ways[walker]((void *)op->arg[1], byte, length);
	answer->error = errno;
	answer->ret = moved < 0 ? -1 : 0;
	if (answer->ret)
		return;
	add_text(answer, number, put_hex(number, moved) - number);
	if (!writes(walker) && !op->arg[3])
		tell_bytes(answer, byte, moved);
	answer->kind = answer->ret ? NO_VALUE : DIGITS;
}

/* "VmLck VmPin" in kB as /proc prints them, the first as N if ALL_LOCKED. */
static void read_status(struct answer *answer, bool all_locked)
{
	static const char *const wanted[] = { "\nVmLck:", "\nVmPin:" };
	char text[4096];

	read_text("/proc/self/status", text, sizeof text);
	for (int i = 0; i < 2; i++) {
		const char *at = strstr(text, wanted[i]);

		at = at ? at + strlen(wanted[i]) : "-";
		at += strspn(at, " \t");
		if (!i && all_locked)
			add_text(answer, "N", 1);
		else
			add_text(answer, at, strspn(at, "0123456789-"));
	}
	answer->kind = DIGITS;
}

/* ALL_LOCKED: the task's own memory is locked too, so the amount says nothing. */
void walk_pages(const struct op *op, struct answer *answer, bool all_locked)
{
	enum walker walker = op->arg[0];

	errno = 0;
	switch (walker) {
	case MOVE_PAGES:
	case MOVE_TO_NODE:      ask_for_nodes(op, answer, walker == MOVE_TO_NODE); return;
	case PAGEMAP:           tell_pagemap(op, answer); return;
	case NUMA_MAPS:         read_numa_maps(op, answer); return;
	case SMAPS:             read_smaps(op, answer); return;
	case SMAPS_ROLLUP:      read_rollup(op, answer); return;
	case PAGEMAP_SCAN_ALL:  scan_pagemap(op, answer); return;
	case STATUS:            read_status(answer, all_locked); return;
	case FUTEX_WAKE_ONE:    wake_one(op, answer); return;
	case USERFAULTFD:
		answer->ret = register_faults((void *)op->arg[1], op->arg[2] / PAGE);
		answer->error = errno;
		return;
	default:                move_word(op, answer); return;
	}
}

static int limit_processes(bool on)
{
	if (on && access(GROUP, F_OK)) {
		mount("cgroup2", CGROUP, "cgroup2", 0, NULL);
		if (write_text(CGROUP "/cgroup.subtree_control", "+pids") || mkdir(GROUP, 0755))
			return -1;
	}
	if (on)
		return !write_text(GROUP "/cgroup.procs", "0") && !write_text(GROUP "/pids.max", "1") ? 0 : -1;
	return !write_text(GROUP "/pids.max", "max") && !write_text(CGROUP "/cgroup.procs", "0") ? 0 : -1;
}

/* Make forks of this task fail for REASON from now on, or no longer; a pid in use is passed by the fork itself. */
int refuse_forks(enum refusal reason, bool on)
{
	if (reason == PIDS_MAX)
		return limit_processes(on);
	if (reason == OVERCOMMIT_MEMORY)
		return !write_text("/proc/sys/vm/overcommit_memory", on ? "2" : "0") &&
		       !write_text(on ? "/proc/sys/vm/overcommit_kbytes" : "/proc/sys/vm/overcommit_ratio",
				  on ? "1" : "50") ? 0 : -1;
	return 0;
}
