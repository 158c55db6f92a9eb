/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task of a program, as seen from inside: it takes one operation after another from its socket and makes the system
 * call. A task is a process or a thread, so its state is thread-local.
 */
#define _GNU_SOURCE             /* CPU sets */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "calls/own.c"

/*
 * The kernel patches its own code when a task's first perf event is opened, and a second after the last one is gone. It
 * stops all CPUs to do so, and QEMU before 8.1 (deba78709ae8) may then run what stood there in between. So one event
 * stays open where CPUs are held.
 */
void keep_event(void)
{
	open_event();
}

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

#define OF_VVAR (1UL << 63)       /* in an address that is relative to the clock pages */
#define STACK_USED 16384          /* maximum stack that any operation uses */
#define THREAD_USED 2048          /* minimum size of the library's per-thread data */
#define RSEQ_SIZE 32              /* bytes the kernel writes there, with newer libraries; the last byte is unused */

extern const ptrdiff_t __rseq_offset __attribute__((weak));

static __thread int self;         /* my slot */
static __thread char comm_now[COMM];
/* One per slot. Whole pages with nothing else on them, so that they can be given back. */
static union scratch scratches[TASKS] __attribute__((aligned(PAGE)));
__thread union scratch *scratch;
/* My process. */
static struct {
	enum refusal refused;     /* why its forks fail */
	bool all_locked;          /* it has called mlockall since its last munlockall */
	bool vvar_moved;          /* it has moved its clock pages */
	bool threaded;            /* it has, or has had, several threads */
	struct op thread_op;      /* what a new thread will be; read before the thread announces itself */
} process;

static void rename_self(const char *comm)
{
	if (!strcmp(comm, comm_now))
		return;
	strcpy(comm_now, comm);
	prctl(PR_SET_NAME, comm);
}

/* The file to make a mapping through; -1 with errno, or -1 with errno 0 for anonymous memory. */
static int open_via(enum via via)
{
	int fd;

	errno = 0;
	switch (via) {
	case VIA_WC:
		return open(DEVICE "/resource2_wc", O_RDWR | O_CLOEXEC);
	case VIA_UC:
		return open(DEVICE "/resource2", O_RDWR | O_CLOEXEC);
	case VIA_DEVMEM:
		return open("/dev/mem", O_RDWR | O_CLOEXEC);
	case VIA_DEVMEM_SYNC:
		return open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	case VIA_PROC_WC:
	case VIA_PROC_UC:
		fd = open(DEVICE_PROC, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && (ioctl(fd, PCIIOC_MMAP_IS_MEM, 0) ||
				ioctl(fd, PCIIOC_WRITE_COMBINE, via == VIA_PROC_WC))) {
			int error = errno;

			close(fd);
			errno = error;
			return -1;
		}
		return fd;
	case VIA_DRIVER:
		return driver_open_to_map();
	case VIA_VFIO:
		return vfio_fetch();
	case VIA_PERF:
		return open_event();
	default:
		return -1;
	}
}

static void map(const struct op *op, struct answer *answer)
{
	const uint64_t *arg = op->arg;
	int fd = open_via(arg[0]);
	void *at;

	if (fd < 0 && arg[0] != VIA_ANON) {
		answer->ret = -1;
		answer->error = errno;
		return;
	}
	at = RECORDED(mmap((void *)arg[1], arg[2], arg[3], arg[4], fd, arg[5]));
	answer->ret = at == MAP_FAILED ? -1 : 0;
	answer->error = errno;
	if (fd >= 0)
		close(fd);
}

/*
 * The address where the kernel put my clock pages. Nobody asks them for the time, so they are as the kernel made them.
 * Once they have been moved, they are no longer there, whatever else may be there by then: the result is 0, where
 * nothing is mapped.
 */
static uint64_t vvar_start(void)
{
	char *maps = scratch->text, *line;
	const char *at;

	if (process.vvar_moved)
		return 0;
	read_text("/proc/self/maps", maps, sizeof scratch->text);
	line = strstr(maps, "[vvar]");
	if (!line)
		return 0;
	while (line > maps && line[-1] != '\n')
		line--;
	at = line;
	return hex(&at);
}

static void move(const uint64_t *arg, bool order, struct answer *answer)
{
	bool own = arg[0] & OF_VVAR;
	uint64_t from = own ? vvar_start() + (arg[0] & ~OF_VVAR) : arg[0];
	long at;

	if (order)
		order_record(true);
	/* The raw call, because the library's wrapper would drop the address without MREMAP_FIXED. */
	at = syscall(SYS_mremap, from, arg[1], arg[2], arg[3], arg[4]);
	process.vvar_moved |= own && at != -1;
	answer->ret = at == -1 ? -1 : 0;
	answer->error = errno;
	if (at != -1) {
		answer->kind = ADDRESS;
		answer->value = at;
	}
}

static void touch(const struct op *op, struct answer *answer)
{
	volatile uint32_t *word = (void *)op->arg[0];
	int signo = sigsetjmp(fault, 0);

	if (signo) {
		answer->ret = -1;
		answer->error = EFAULT;
		answer->kind = SIGNAL;
		answer->value = signo;
		answer->code = fault_code;
	} else if (op->verb == CLEAR) {
		for (uint64_t at = 0; at < op->arg[1] / sizeof *word; at++)
			word[at] = 0;
	} else if (op->verb == LOAD) {
		answer->value = *word;
		answer->kind = NUMBER;
	} else {
		*word = op->arg[1];
	}
}

/* One digit per page: 1 if mincore() reports it as resident. */
static void look_in_core(const uint64_t *arg, struct answer *answer)
{
	unsigned char *pages = scratch->core;
	uint64_t count = (arg[1] + PAGE - 1) >> PAGE_SHIFT;

	memset(pages, 0, sizeof scratch->core);
	if (count > MINCORE_PAGES)
		errno = E2BIG;
	answer->ret = count > MINCORE_PAGES ? -1 : mincore((void *)arg[0], arg[1], pages);
	answer->error = errno;
	if (count > MINCORE_PAGES)
		return;
	answer->kind = DIGITS;            /* at a hole it fails, after reporting the pages before the hole */
	answer->value = count;
	for (uint64_t i = 0; i < count; i++)
		answer->text[i] = '0' + (pages[i] & 1);
}

/*
 * The process gets its key before it has threads, because a thread in the middle of an operation could not be given the
 * rights to it.
 */
static void have_key(const struct op *op)
{
	if (op->keys && !own_key)
		own_key = syscall(SYS_pkey_alloc, 0, 0);
	let_through();
}

/* Read the memtype list to its end, which waits for anyone changing it. */
static int read_memtypes(void)
{
	char some[PAGE];
	int fd = open(MEMTYPE_LIST, O_RDONLY | O_CLOEXEC), error;
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, some, sizeof some)) > 0)
		;
	error = errno;
	close(fd);
	errno = error;
	return got < 0 ? -1 : 0;
}

static void rewrite(const void *at, size_t size)
{
	volatile char *byte = (volatile char *)at;

	for (size_t i = 0; i < size; i += 512)
		byte[i] = byte[i];
	byte[size - 1] = byte[size - 1];
}

/*
 * Touch everything that later operations write to, so that none of them takes a fault of the task's own: the stack,
 * whatever shares a frame with ANSWER and OP, what is known of the process, and the thread's data, which the kernel
 * writes to as well (rseq). Scratch memory is given back instead, because a new page is shared with nobody. Locked
 * memory cannot be given back, so it is touched too.
 */
static void settle(const struct op *op, const struct answer *answer)
{
	volatile char stack[STACK_USED];
	const char *own = (const char *)pthread_self();

	for (size_t i = 0; i < sizeof stack; i += 512)
		stack[i] = 0;
	rewrite(op, sizeof *op);
	rewrite(answer, sizeof *answer);
	rewrite(&process, sizeof process);
	rewrite(&fault, sizeof fault);
	rewrite(comm_now, sizeof comm_now);
	rewrite(&own_key, sizeof own_key);
	rewrite(own, THREAD_USED);
	if (madvise(scratch, sizeof *scratch, MADV_DONTNEED))
		rewrite(scratch, sizeof *scratch);
	if (&__rseq_offset)
		rewrite(own + __rseq_offset + RSEQ_SIZE - 1, 1);
}

static void split_off(const struct op *op, struct answer *answer)
{
	bool taken = process.refused == SET_TID;
	pid_t child = taken || process.threaded ? fork_by_call(taken) : fork();

	if (!child) {
		process.refused = NOTHING;
		process.all_locked = false;
		actor(op->arg[0], op->child_comm, true);
	}
	answer->ret = child < 0 ? -1 : 0;
	answer->error = errno;
	answer->child = child;
	/* Its memory is shared again. What that does to the memory is not part of an order. */
	if (!op->order)
		settle(op, answer);
}

/* Stay on a single CPU. */
static int pin(const struct op *op, const struct answer *answer)
{
	uint64_t cpu = op->arg[0];
	cpu_set_t only;

	settle(op, answer);
	CPU_ZERO(&only);
	if (cpu < CPU_SETSIZE)
		CPU_SET(cpu, &only);
	return sched_setaffinity(0, sizeof only, &only);
}

static void *thread(void *unused)
{
	(void)unused;
	actor(process.thread_op.arg[0], process.thread_op.child_comm, true);
}

static void share(const struct op *op, struct answer *answer)
{
	pthread_attr_t unguarded;
	pthread_t child;

	process.threaded = true;
	process.thread_op = *op;
	/* Guarding the stack takes an mprotect, whose gather would look like the program's. */
	pthread_attr_init(&unguarded);
	pthread_attr_setguardsize(&unguarded, 0);
	answer->error = pthread_create(&child, &unguarded, thread, NULL);
	pthread_attr_destroy(&unguarded);
	answer->ret = answer->error ? -1 : 0;
}

/* Make forks fail for a reason from now on; without a reason, let them succeed again. */
static int refuse(enum refusal reason)
{
	int ret = refuse_forks(reason ? reason : process.refused, reason);

	process.refused = reason;
	return ret;
}

/* Become a fresh image of the same program; the announcement by that image is the answer. */
static void replace(const struct op *op, struct answer *answer)
{
	char slot[4] = { '0' + self / 10, '0' + self % 10 };
	char *argv[] = { "/init", "--actor", slot, (char *)op->comm, NULL };
	char *envp[] = { NULL };

	answer->ret = execve("/init", argv, envp);
	answer->error = errno;
}

static void operate(const struct op *op, struct answer *answer)
{
	const uint64_t *arg = op->arg;
	void *at = (void *)arg[0];
	int ret = 0;

	have_key(op);
	order_in_calls = op->order;
	if (op->order && op->verb != MMAP && op->verb != MREMAP && !op->vfio && op->verb != WALK && op->verb != BYTES && op->verb != REMOVE && op->verb != RESCAN &&
	    op->verb != BIND && op->verb != UNBIND && op->verb != RESCAN_MOVED && op->verb != CLEAR_REFS &&
	    op->verb != SETRLIMIT && op->verb != PROCESS_MADVISE)
		order_record(true);
	errno = 0;
	switch (op->verb) {
	case MMAP:     map(op, answer); return;
	case MREMAP:   move(arg, op->order, answer); return;
	case LOAD:
	case CLEAR:
	case STORE:    touch(op, answer); return;
	case FORK:     split_off(op, answer); return;
	case THREAD:   share(op, answer); return;
	case DRIVER:   driver_operate(arg, answer); return;
	case MINCORE:  look_in_core(arg, answer); return;
	case WALK:     walk_pages(op, answer, process.all_locked); return;
	case BYTES:    move_bytes(op, answer); return;
	case EXEC:     replace(op, answer); return;
	case EXIT:     _exit(0);
	case SPIN:     for (;;) __builtin_ia32_pause();
	case MUNMAP:   ret = munmap(at, arg[1]); break;
	case MLOCK:    ret = mlock(at, arg[1]); break;
	case MUNLOCK:  ret = munlock(at, arg[1]); break;
	case MSYNC:    ret = msync(at, arg[1], MS_SYNC); break;
	case MSEAL:    ret = syscall(SYS_mseal, at, arg[1], 0); break;
	case MBIND:    ret = set_policy(at, arg[1] / PAGE, arg[2], arg[3]); break;
	case MPROTECT: ret = mprotect(at, arg[1], arg[2]); break;
	case MADVISE:  ret = madvise(at, arg[1], arg[2]); break;
	case READV:    ret = read_word_through(at); break;
	case PIN:      ret = pin(op, answer); break;
	case MEMORY:
	case POWER:
	case VFIO_RESET: ret = vfio_change(op); break;
	case MEMTYPES: ret = read_memtypes(); break;
	case REMOVE:   ret = slot_remove(); break;
	case RESCAN:   ret = slot_rescan(); break;
	case RESCAN_MOVED: ret = slot_rescan_moved(arg[0], arg[1]); break;
	case PKEY_MPROTECT: ret = protect_by_key(at, arg[1] / PAGE, arg[2], arg[3]); break;
	case SETRLIMIT: ret = limit_room(arg[0], arg[1]); break;
	case MRELEASE: ret = kill_and_reap(arg[0], arg[1]); break;
	case PROCESS_MADVISE: ret = advise(arg); break;
	case CLEAR_REFS: ret = clear_refs(arg[0]); break;
	case BIND:
	case UNBIND:   ret = slot_bind(op->verb == BIND); break;
	case REFUSE:   ret = refuse(arg[0]); break;
	case REMAP_FILE: ret = syscall(SYS_remap_file_pages, at, arg[1], 0, arg[2], 0); break;
	case MLOCKALL: ret = mlockall(MCL_CURRENT | MCL_FUTURE); process.all_locked |= !ret; break;
	case MUNLOCKALL: ret = munlockall(); process.all_locked &= !!ret; break;
	case NOP:
	/* Operations that the agent does itself. */
	case KILL:
	case VFIO_CLOSE:
	case SLOT:
	case VERBS:    break;
	}
	answer->ret = ret;
	answer->error = errno;
}

static void tell(const struct answer *answer)
{
	/* Copying is expensive on an emulated CPU, so copy only what the agent will report. */
	if (send(ACTOR_FD(self), answer, ANSWER_HEAD + (answer->kind == DIGITS ? answer->value : 0), MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void become(int slot, const char *comm)
{
	self = slot;
	scratch = &scratches[slot];
	comm_now[0] = 0;
	rename_self(comm);
	signal(SIGCHLD, SIG_IGN);
	catch_faults();
}

/* Serve slot SLOT for ever. ANNOUNCE: first report that the process exists and has its name. */
void actor(int slot, const char *comm, bool announce)
{
	struct answer answer = { 0 };
	struct op op;

	become(slot, comm);
	answer.child = gettid();
	if (announce)
		tell(&answer);
	while (recv(ACTOR_FD(slot), &op, sizeof op, 0) == sizeof op) {
		rename_self(op.comm);
		memset(&answer, 0, ANSWER_HEAD);
		operate(&op, &answer);
		if (op.order)
			order_record(false);
		if (!answer.ret)
			answer.error = 0;
		tell(&answer);
	}
	_exit(1);
}

/* Fork a child that exits right away, and wait for it: with SIGCHLD ignored, waitpid() returns when it is gone. */
static void split_off_briefly(struct answer *answer)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	answer->ret = child < 0 ? -1 : 0;
	answer->error = errno;
	if (child > 0)
		waitpid(child, NULL, 0);
}

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000UL + now.tv_nsec;
}

/* Run all operations TIMES times with nothing in between; the answer is the time they took, or the first failure. */
void actor_loop(const struct op *op, int count, uint64_t times)
{
	struct answer answer = { 0 };
	uint64_t start;

	become(0, "init");
	start = nanoseconds();
	for (uint64_t i = 0; i < times && !answer.ret; i++) {
		for (int k = 0; k < count && !answer.ret; k++) {
			if (op[k].verb == FORK)
				split_off_briefly(&answer);
			else
				operate(&op[k], &answer);
		}
	}
	if (!answer.ret)
		answer = (struct answer){ .kind = NUMBER, .value = nanoseconds() - start };
	tell(&answer);
	_exit(0);
}
