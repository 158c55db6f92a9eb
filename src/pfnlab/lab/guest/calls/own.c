//: caught
#include <setjmp.h>
#include <signal.h>
static __thread sigjmp_buf fault;
static __thread volatile sig_atomic_t fault_code;

static void caught(int signo, siginfo_t *info, void *context)
{
	(void)context;
	fault_code = info->si_code;
	siglongjmp(fault, signo);
}

static void catch_faults(void)
{
	struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

//: open_event
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A perf event that is disabled and counts nothing. */
static int open_event(void)
{
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(event), .config = PERF_COUNT_SW_DUMMY, .disabled = 1,
	};

	return syscall(SYS_perf_event_open, &event, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

//: let_through
#include <stdint.h>
/* The process's protection key, 0 until it is needed; rights are per thread, and a signal takes them away. */
static int own_key;

static void let_through(void)
{
	uint32_t rights, high;

	if (own_key <= 0)
		return;
	__asm__ volatile("rdpkru" : "=a" (rights), "=d" (high) : "c" (0));
	__asm__ volatile("wrpkru" : : "a" (rights & ~(3U << 2 * own_key)), "c" (0), "d" (0) : "memory");
}

//: protect_by_key let_through
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* pkey_mprotect() with the process's own key, or with -1. Without keys it uses a number that nobody has. */
static long protect_by_key(void *at, uint64_t pages, int prot, bool keyed)
{
	if (keyed && !own_key)
		own_key = syscall(SYS_pkey_alloc, 0, 0);
	let_through();
	return syscall(SYS_pkey_mprotect, at, pages * PAGE, prot, !keyed ? -1 : own_key > 0 ? own_key : 1);
}

//: set_policy
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* mbind() with node 0, or with no node for the default policy. */
static long set_policy(void *at, uint64_t pages, int mode, bool move)
{
	unsigned long nodes = mode == MPOL_DEFAULT ? 0 : 1;

	return syscall(SYS_mbind, at, pages * PAGE, mode, &nodes, 8 * sizeof(nodes), move ? MPOL_MF_MOVE : 0);
}

//: fork_by_call
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* fork() without the C library, which lets only one thread fork at a time; TAKEN asks for the pid of process 1. */
static pid_t fork_by_call(bool taken)
{
	pid_t first = 1;
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = taken ? (uintptr_t)&first : 0, .set_tid_size = taken,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}
