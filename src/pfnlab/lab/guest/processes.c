/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A task and processes as a whole: its own, with limits and marks, and those of others, which it reaps and advises.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

#define syscall(...) RECORDED(syscall(__VA_ARGS__))
#include "calls/processes.c"

/* ROOM pages more than the process has now, or any number where all bits of ROOM are set. */
int limit_room(int resource, uint64_t room)
{
	static const char *const uses[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "\nVmSize:", [RLIMIT_DATA] = "\nVmData:", [RLIMIT_MEMLOCK] = "\nVmLck:",
	};

	errno = EINVAL;
	return resource < 0 || resource >= RLIM_NLIMITS || !uses[resource] ? -1 :
	       set_limit(resource, uses[resource], room);
}

/* The memory of PROCESS is taken, which was killed or, with KILLS, is killed first. */
int kill_and_reap(pid_t process, bool kills)
{
	return kills && process && kill(process, SIGKILL) ? -1 : reap(process);
}

/* Advice for memory of the process of a pid. */
int advise(const uint64_t *arg)
{
	return advise_process(arg[3], (void *)arg[0], arg[1] / PAGE, arg[2]);
}

/* NUMBER, a digit, written to the task's own clear_refs. */
int clear_refs(unsigned number)
{
	const char digit[] = { '0' + number, 0 };

	return write_text("/proc/self/clear_refs", digit);
}
