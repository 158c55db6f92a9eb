/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tasks of a program seen from the agent: started ahead of time, operated one at a time, waited for, killed.
 * Every wait has a limit; a task that exceeds it is killed.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

struct task tasks[TASKS];
static pid_t prepared;            /* a process waiting to become slot 0 of the next program */
static unsigned created;

void tasks_open(void)
{
	for (int slot = 0; slot < TASKS; slot++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) ||
		    dup2(pair[0], AGENT_FD(slot)) < 0 || dup2(pair[1], ACTOR_FD(slot)) < 0)
			give_up("no sockets for the tasks");
		close(pair[0]);
		close(pair[1]);
	}
}

/* Answers of a process that is gone must not reach its successor. */
static void drain(int slot)
{
	char waste[sizeof(struct op) + sizeof(struct answer)];

	while (recv(AGENT_FD(slot), waste, sizeof waste, MSG_DONTWAIT) > 0)
		;
	while (recv(ACTOR_FD(slot), waste, sizeof waste, MSG_DONTWAIT) > 0)
		;
}

/* Fork the next program's first task while the host is thinking. */
void task_prepare(void)
{
	if (prepared > 0)
		return;
	drain(0);
	prepared = fork();
	if (!prepared)
		actor(0, "init", false);
}

static void adopt(int slot, pid_t pid)
{
	struct task *task = &tasks[slot];

	task->pid = pid;
	task->pidfd = syscall(SYS_pidfd_open, pid, 0);
	task->smaps = -1;
	task->pgd = 0;
	task->order = ++created;
}

/* Slot 0 of a new program; false when it cannot be forked. */
bool task_first(void)
{
	task_prepare();
	if (prepared < 0) {
		prepared = 0;
		return false;
	}
	adopt(0, prepared);
	prepared = 0;
	return true;
}

/* What was known about the address space holds no longer. */
static void forget_mm(struct task *task)
{
	if (task->smaps >= 0)
		close(task->smaps);
	task->smaps = -1;
	task->pgd = 0;
}

static void forget(struct task *task)
{
	forget_mm(task);
	if (task->pidfd >= 0)
		close(task->pidfd);
	memset(task, 0, sizeof *task);
}

/* A pidfd becomes readable after exit_mm(): then the address space is gone, too. */
static void wait_gone(struct task *task)
{
	struct pollfd poller = { .fd = task->pidfd, .events = POLLIN };

	if (task->pidfd >= 0)
		poll(&poller, 1, GONE_LIMIT_MS);
	forget(task);
}

static void end(struct task *task)
{
	kill(task->pid, SIGKILL);
	wait_gone(task);
}

/* Wait for the answer of SLOT's process, for its death, or for the limit. */
static void await(int slot, struct answer *answer)
{
	struct task *task = &tasks[slot];
	struct pollfd pollers[2] = {
		{ .fd = AGENT_FD(slot), .events = POLLIN }, { .fd = task->pidfd, .events = POLLIN },
	};
	int n = poll(pollers, 2, OP_LIMIT_MS);

	if (n > 0 && (pollers[0].revents & POLLIN) &&
	    recv(AGENT_FD(slot), answer, sizeof *answer, MSG_DONTWAIT) == sizeof *answer)
		return;
	*answer = (struct answer){ .ret = -1, .error = n > 0 ? ESRCH : ETIMEDOUT, .kind = n > 0 ? DIED : TIMEOUT };
	end(task);
}

static void operate_fork(struct op *op, struct answer *answer)
{
	int child = op->arg[0];
	struct answer announced;

	if (tasks[child].pid) {
		*answer = (struct answer){ .ret = -1, .error = EEXIST, .kind = TAKEN };
		return;
	}
	drain(child);
	send(AGENT_FD(op->task), op, sizeof *op, 0);
	await(op->task, answer);
	if (answer->ret)
		return;
	adopt(child, answer->child);
	await(child, &announced);
}

/* Run one operation to its end. */
void task_operate(struct op *op, struct answer *answer)
{
	struct task *task = &tasks[op->task];

	memset(answer, 0, sizeof *answer);
	if (!task->pid) {
		answer->ret = -1;
		answer->error = ESRCH;
		return;
	}
	switch (op->verb) {
	case KILL:
		end(task);
		return;
	case EXIT:
		send(AGENT_FD(op->task), op, sizeof *op, 0);
		await(op->task, answer);
		if (answer->kind == DIED)
			memset(answer, 0, sizeof *answer);
		return;
	case FORK:
		operate_fork(op, answer);
		return;
	default:
		send(AGENT_FD(op->task), op, sizeof *op, 0);
		await(op->task, answer);
		if (op->verb == EXEC)
			forget_mm(task);
	}
}

/* A loop's process is forked once the operations are read, so it has them; it takes slot 0. */
void task_loop(const struct op *op, int count, uint64_t times, struct answer *answer)
{
	pid_t pid;

	drain(0);
	pid = fork();
	if (!pid)
		actor_loop(op, count, times);
	if (pid < 0) {
		*answer = (struct answer){ .ret = -1, .error = errno };
		return;
	}
	adopt(0, pid);
	await(0, answer);
}

/* The end of a program: the last created dies first. */
void tasks_kill(void)
{
	for (;;) {
		struct task *last = NULL;

		for (int slot = 0; slot < TASKS; slot++)
			if (tasks[slot].pid && (!last || tasks[slot].order > last->order))
				last = &tasks[slot];
		if (!last)
			return;
		end(last);
	}
}
