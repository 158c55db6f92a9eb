/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task and processes as a whole: its own, with limits and marks, and those of others, which it reaps and advises.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "agent.h"

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

/*
 * ROOM pages more than the process has now, or any number where all bits of ROOM are set. What it has is its own affair, as
 * /proc counts it in kB.
 */
int set_limit(int resource, uint64_t room)
{
	static const char *const uses[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "\nVmSize:", [RLIMIT_DATA] = "\nVmData:", [RLIMIT_MEMLOCK] = "\nVmLck:",
	};
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	char text[4096];
	const char *at;

	if (resource < 0 || resource >= RLIM_NLIMITS || !uses[resource]) {
		errno = EINVAL;
		return -1;
	}
	file_read("/proc/self/status", text, sizeof text);
	at = strstr(text, uses[resource]);
	if (at && ~room) {
		at += strlen(uses[resource]);
		at += strspn(at, " \t");
		limit.rlim_cur = decimal(&at) * 1024 + room * PAGE;
	}
	errno = at ? 0 : EIO;
	return at ? setrlimit(resource, &limit) : -1;
}

/* A descriptor of PROCESS, or of nothing where a fork that failed has left none. One that goes meanwhile is EINVAL. */
static int open_process(pid_t process)
{
	int fd = process ? syscall(SYS_pidfd_open, process, 0) : -1;

	if (!process || (fd < 0 && errno == EINVAL))
		errno = ESRCH;
	return fd;
}

/* The memory of PROCESS is taken, which was killed or, with KILLS, is killed first. */
int reap(pid_t process, bool kills)
{
	int fd = open_process(process), ret, error;

	if (fd < 0)
		return -1;
	ret = kills ? syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) : 0;
	if (!ret)
		ret = syscall(SYS_process_mrelease, fd, 0);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

/* Advice for memory of the process of a pid; all of it is advised, or nothing. */
int advise_process(const uint64_t *arg, bool order)
{
	struct iovec range = { (void *)arg[0], arg[1] };
	int fd = open_process(arg[3]), error;
	ssize_t advised;

	if (fd < 0)
		return -1;
	if (order)
		order_record(true);
	errno = 0;
	advised = syscall(SYS_process_madvise, fd, &range, 1, (int)arg[2], 0);
	error = errno;
	if (order)
		order_record(false);
	close(fd);
	errno = advised >= 0 && advised != (ssize_t)arg[1] ? EIO : error;
	return advised == (ssize_t)arg[1] ? 0 : -1;
}

/* NUMBER, a digit, written to the task's own clear_refs. */
int clear_refs(unsigned number, bool order)
{
	const char digit[] = { '0' + number, 0 };

	return write_observed("/proc/self/clear_refs", digit, order);
}
