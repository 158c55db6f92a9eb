//: set_limit read_text
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
/* ROOM pages more than the process has according to the line USE in /proc/self/status, or no limit. */
static long set_limit(int resource, const char *use, uint64_t room)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	char text[8192];
	const char *at;

	read_text("/proc/self/status", text, sizeof(text));
	at = strstr(text, use);
	if (!at) {
		errno = EIO;
		return -1;
	}
	if (room != UINT64_MAX)
		limit.rlim_cur = strtoull(at + strlen(use), NULL, 10) * 1024 + room * PAGE;
	return setrlimit(resource, &limit);
}

//: pidfd_of
#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
/* A process; a failed fork leaves none. One that exits meanwhile gives EINVAL. */
static int pidfd_of(pid_t process)
{
	int fd = process ? syscall(SYS_pidfd_open, process, 0) : -1;

	if (!process || (fd < 0 && errno == EINVAL))
		errno = ESRCH;
	return fd;
}

//: advise_process pidfd_of
#include <stdint.h>
#include <sys/uio.h>
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

/* process_madvise() on a process's memory; either all of it is advised, or nothing. */
static long advise_process(pid_t process, void *at, uint64_t pages, int advice)
{
	struct iovec range = { at, pages * PAGE };
	int fd = pidfd_of(process), error;
	long advised;

	if (fd < 0)
		return -1;
	advised = syscall(SYS_process_madvise, fd, &range, 1, advice, 0);
	error = advised >= 0 ? EIO : errno;
	close(fd);
	errno = error;
	return advised == (long)range.iov_len ? 0 : -1;
}

//: reap pidfd_of
#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

/* process_mrelease() on a process that was killed. */
static long reap(pid_t process)
{
	int fd = pidfd_of(process), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = syscall(SYS_process_mrelease, fd, 0);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}
