/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Other ways to a task's pages than its own loads and stores: what the kernel reads, writes or tells for the task. Files and
 * pipes are opened before the order of calls is recorded.
 */
#define _GNU_SOURCE             /* vmsplice */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"

#define CGROUP "/sys/fs/cgroup"
#define GROUP CGROUP "/t"
#define PAGEMAP_SHIFT 55          /* the bits below are the frame's */

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

int walker_number(const char *name)
{
	for (int i = 0; i < WALKERS; i++)
		if (!strcmp(name, names[i]))
			return i;
	return -1;
}

/* What a call of the kernel answered: done when it moved a whole word. */
static void answer_word(struct answer *answer, ssize_t moved, const uint32_t *word)
{
	answer->ret = moved == sizeof *word ? 0 : -1;
	answer->error = moved < 0 ? errno : EIO;
	if (!answer->ret && word) {
		answer->kind = NUMBER;
		answer->value = *word;
	}
}

static void mem(const struct op *op, struct answer *answer, bool writes)
{
	uint32_t word = op->arg[2];
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (op->order)
		order_record(true);
	errno = 0;
	if (writes) {
		answer_word(answer, pwrite(fd, &word, sizeof word, op->arg[1]), &word);
		answer->kind = NO_VALUE;
	} else {
		answer_word(answer, pread(fd, &word, sizeof word, op->arg[1]), &word);
	}
	if (op->order)
		order_record(false);
	close(fd);
}

static void write_through(const struct op *op, struct answer *answer)
{
	uint32_t word = op->arg[2];
	struct iovec local = { &word, sizeof word }, remote = { (void *)op->arg[1], sizeof word };

	answer_word(answer, process_vm_writev(getpid(), &local, 1, &remote, 1, 0), &word);
	answer->kind = NO_VALUE;
}

/* Through a pipe, by copy or by reference; what comes out at its other end is the answer. */
static void through_pipe(const struct op *op, struct answer *answer, bool by_reference)
{
	struct iovec iov = { (void *)op->arg[1], sizeof(uint32_t) };
	uint32_t word = 0;
	ssize_t put;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		answer_word(answer, -1, NULL);
		return;
	}
	if (op->order)
		order_record(true);
	put = by_reference ? vmsplice(ends[1], &iov, 1, 0) : write(ends[1], iov.iov_base, iov.iov_len);
	if (op->order)
		order_record(false);
	if (put == sizeof word)
		put = read(ends[0], &word, sizeof word);
	answer_word(answer, put, &word);
	close(ends[0]);
	close(ends[1]);
}

static void wake(const struct op *op, struct answer *answer)
{
	long woken = syscall(SYS_futex, op->arg[1], FUTEX_WAKE, 1, NULL, NULL, 0);

	answer->ret = woken < 0 ? -1 : 0;
	answer->error = errno;
	if (woken >= 0) {
		answer->kind = NUMBER;
		answer->value = woken;
	}
}

/* How many pages an operation is about; 0, with the error, when they are too many. */
static uint64_t pages_of(const struct op *op, struct answer *answer)
{
	uint64_t count = op->arg[2] >> PAGE_SHIFT;

	if (count <= MINCORE_PAGES)
		return count;
	answer->ret = -1;
	answer->error = E2BIG;
	return 0;
}

/*
 * Where each page is: a letter a page, the digit of its node, or e for EFAULT, n for ENOENT, ? for anything else. MOVES:
 * they are to go to node 0, and each letter says what became of that.
 */
static void ask_for_nodes(const struct op *op, struct answer *answer, bool moves)
{
	void **page = scratch->nodes.page;
	int *status = scratch->nodes.status, *target = scratch->nodes.target;
	uint64_t count = pages_of(op, answer);

	if (!count)
		return;
	for (uint64_t i = 0; i < count; i++) {
		page[i] = (void *)(op->arg[1] + i * PAGE);
		status[i] = -1;
		target[i] = 0;
	}
	if (op->order)
		order_record(true);
	answer->ret = syscall(SYS_move_pages, 0, count, page, moves ? target : NULL, status, moves ? MPOL_MF_MOVE : 0) ? -1 : 0;
	answer->error = errno;
	answer->kind = answer->ret ? NO_VALUE : DIGITS;
	answer->value = count;
	for (uint64_t i = 0; i < count; i++)
		answer->text[i] = status[i] >= 0 && status[i] < 10 ? '0' + status[i] : status[i] == -EFAULT ? 'e' :
				  status[i] == -ENOENT ? 'n' : '?';
}

/* Three hexadecimal digits a page: the bits of its pagemap entry from 55 on. */
static void read_pagemap(const struct op *op, struct answer *answer)
{
	uint64_t *entry = scratch->pagemap;
	uint64_t count = pages_of(op, answer);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (count) {
		memset(entry, 0, sizeof scratch->pagemap);
		if (op->order)
			order_record(true);
		got = pread(fd, entry, count * sizeof *entry, (op->arg[1] >> PAGE_SHIFT) * sizeof *entry);
		answer->ret = got == (ssize_t)(count * sizeof *entry) ? 0 : -1;
		answer->error = got < 0 ? errno : EIO;
		if (op->order)
			order_record(false);
		answer->kind = answer->ret ? NO_VALUE : DIGITS;
		answer->value = count * 3;
		for (uint64_t i = 0; i < count; i++)
			for (int digit = 0; digit < 3; digit++)
				answer->text[i * 3 + digit] =
					"0123456789abcdef"[entry[i] >> (PAGEMAP_SHIFT + 8 - 4 * digit) & 15];
	}
	close(fd);
}

/* One more word of the answer; one that has no room for it is no answer. */
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

/* The words of a line of numa_maps that count, of every line that begins in the range and has some: "ADDR anon=1 dirty=1 N0=1". */
static void read_numa_maps(const struct op *op, struct answer *answer)
{
	char *text = scratch->text;

	memset(text, 0, sizeof scratch->text);  /* touched before anything is recorded */
	if (op->order)
		order_record(true);
	file_read("/proc/self/numa_maps", text, sizeof scratch->text);
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
 * "START-END RSS" of every VMA that meets the range. The file is read to its end, so every VMA of the task is walked; a
 * read gives whole records, up to a page of them.
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

/* NUMBER in hexadecimal; where it ends. */
static char *put_hex(char *to, uint64_t number)
{
	int shift = 60;

	while (shift && !(number >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[number >> shift & 15];
	return to;
}

/* Bytes in runs: "0*10" are 16 equal ones, "7+8" eight that ascend; at each place the longer run. */
static void tell_bytes(struct answer *answer, const uint8_t *byte, size_t count)
{
	for (size_t i = 0; i < count && !answer->ret; ) {
		size_t equal = i + 1, rising = i + 1, end;
		char run[40], *at;

		while (equal < count && byte[equal] == byte[i])
			equal++;
		while (rising < count && byte[rising] == (uint8_t)(byte[rising - 1] + 1))
			rising++;
		end = rising > equal ? rising : equal;
		at = put_hex(run, byte[i]);
		*at++ = rising > equal ? '+' : '*';
		add_text(answer, run, put_hex(at, end - i) - run);
		i = end;
	}
}

/* Any bytes of the task's own memory, read or written as the kernel does it for others; the answer is how many, and which
 * were read unless FIRST says that nobody wants to know. */
void move_bytes(const struct op *op, struct answer *answer)
{
	uint8_t *byte = scratch->moved;
	enum walker walker = op->arg[0];
	bool reads = walker == MEM_READ || walker == PROCESS_VM_READV, mem = walker == MEM_READ || walker == MEM_WRITE;
	size_t length = op->arg[2] < MOVED_BYTES ? op->arg[2] : MOVED_BYTES;
	struct iovec local = { byte, length }, remote = { (void *)op->arg[1], length };
	int fd = mem ? open("/proc/self/mem", O_RDWR | O_CLOEXEC) : -1;
	char number[20];
	ssize_t moved;

	for (size_t i = 0; i < MOVED_BYTES; i++)
		byte[i] = reads ? 0 : op->arg[3] + i;
	if (op->order)
		order_record(true);
	errno = 0;
	if (mem)
		moved = reads ? pread(fd, byte, length, op->arg[1]) : pwrite(fd, byte, length, op->arg[1]);
	else
		moved = (reads ? process_vm_readv : process_vm_writev)(getpid(), &local, 1, &remote, 1, 0);
	answer->error = errno;
	if (op->order)
		order_record(false);
	if (fd >= 0)
		close(fd);
	answer->ret = moved < 0 ? -1 : 0;
	if (answer->ret)
		return;
	add_text(answer, number, put_hex(number, moved) - number);
	if (reads && !op->arg[3])
		tell_bytes(answer, byte, moved);
	answer->kind = answer->ret ? NO_VALUE : DIGITS;
}

static void register_faults(const struct op *op, struct answer *answer)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = op->arg[1], .len = op->arg[2] }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	answer->ret = fd < 0 || ioctl(fd, UFFDIO_API, &api) ? -1 : 0;
	answer->error = errno;
	if (answer->ret)
		return;
	if (op->order)
		order_record(true);
	answer->ret = ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : 0;
	answer->error = errno;
	if (op->order)
		order_record(false);
	close(fd);
}

/* "VmLck VmPin" in kB as /proc prints them, the first as N when ALL_LOCKED. */
static void read_status(struct answer *answer, bool all_locked)
{
	static const char *const wanted[] = { "\nVmLck:", "\nVmPin:" };
	char text[4096];

	file_read("/proc/self/status", text, sizeof text);
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

/* ALL_LOCKED: the task's own memory is locked too, and how much that is says nothing. */
void walk_pages(const struct op *op, struct answer *answer, bool all_locked)
{
	enum walker walker = op->arg[0];

	switch (walker) {
	case MEM_READ:
	case MEM_WRITE:         mem(op, answer, walker == MEM_WRITE); return;
	case PIPE_WRITE:
	case VMSPLICE:          through_pipe(op, answer, walker == VMSPLICE); return;
	case MOVE_PAGES:
	case MOVE_TO_NODE:      ask_for_nodes(op, answer, walker == MOVE_TO_NODE); return;
	case PAGEMAP:           read_pagemap(op, answer); return;
	case NUMA_MAPS:         read_numa_maps(op, answer); return;
	case SMAPS:             read_smaps(op, answer); return;
	case SMAPS_ROLLUP:      read_rollup(op, answer); return;
	case PAGEMAP_SCAN_ALL:  scan_pagemap(op, answer); return;
	case USERFAULTFD:       register_faults(op, answer); return;
	case STATUS:            read_status(answer, all_locked); return;
	default:                break;
	}
	if (op->order)
		order_record(true);
	errno = 0;
	if (walker == FUTEX_WAKE_ONE)
		wake(op, answer);
	else
		write_through(op, answer);
}

static int limit_processes(bool on)
{
	if (on && access(GROUP, F_OK)) {
		mount("cgroup2", CGROUP, "cgroup2", 0, NULL);
		if (!file_write(CGROUP "/cgroup.subtree_control", "+pids") || mkdir(GROUP, 0755))
			return -1;
	}
	if (on)
		return file_write(GROUP "/cgroup.procs", "0") && file_write(GROUP "/pids.max", "1") ? 0 : -1;
	return file_write(GROUP "/pids.max", "max") && file_write(CGROUP "/cgroup.procs", "0") ? 0 : -1;
}

/* From now on, or no longer, forks of this task fail for REASON; a taken pid is the fork's own affair. */
int refuse_forks(enum refusal reason, bool on)
{
	if (reason == PIDS_MAX)
		return limit_processes(on);
	if (reason == OVERCOMMIT_MEMORY)
		return file_write("/proc/sys/vm/overcommit_memory", on ? "2" : "0") &&
		       file_write(on ? "/proc/sys/vm/overcommit_kbytes" : "/proc/sys/vm/overcommit_ratio",
				  on ? "1" : "50") ? 0 : -1;
	return 0;
}

/* fork() without the C library, which lets one thread fork at a time; TAKEN: ask for the pid of process 1. */
pid_t fork_by_call(bool taken)
{
	pid_t first = 1;
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = taken ? (uintptr_t)&first : 0, .set_tid_size = taken,
	};

	return syscall(SYS_clone3, &args, sizeof args);
}
