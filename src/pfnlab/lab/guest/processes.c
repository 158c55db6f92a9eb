/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Operations on a process as a whole: on the task's own, its limits and marks; on others, reaping and advising them.
 */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

#define syscall(...) RECORDED(syscall(__VA_ARGS__))
#include "calls/processes.c"

/* ROOM pages more than the process has now, or no limit if all bits of ROOM are set. */
int limit_room(int resource, uint64_t room)
{
	static const char *const uses[RLIM_NLIMITS] = {
		[RLIMIT_AS] = "\nVmSize:", [RLIMIT_DATA] = "\nVmData:", [RLIMIT_MEMLOCK] = "\nVmLck:",
	};

	errno = EINVAL;
	return resource < 0 || resource >= RLIM_NLIMITS || !uses[resource] ? -1 :
	       set_limit(resource, uses[resource], room);
}

/* Reap the memory of PROCESS, which was killed or, with KILLS, is killed first. */
int kill_and_reap(pid_t process, bool kills)
{
	return kills && process && kill(process, SIGKILL) ? -1 : reap(process);
}

/* Give advice on the memory of the process with a pid. */
int advise(const uint64_t *arg)
{
	return advise_process(arg[3], (void *)arg[0], arg[1] / PAGE, arg[2]);
}

/* Write NUMBER, a digit, to the task's own clear_refs. */
int clear_refs(unsigned number)
{
	const char digit[] = { '0' + number, 0 };

	return write_text("/proc/self/clear_refs", digit);
}
