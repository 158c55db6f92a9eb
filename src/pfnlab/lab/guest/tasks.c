/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program's tasks as seen from the agent: started ahead of time, operated one at a time, waited for, killed. Every
 * wait has a limit; a task that exceeds it is killed.
 */
#include <errno.h>
#include <fcntl.h>
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
static pid_t last_in[TASKS];      /* the process that a slot has, or had last */

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

/* Answers from a process that is gone must not reach its successor. */
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
	if (!prepared) {
		channel_leave();
		actor(0, "init", false);
	}
}

static void adopt(int slot, pid_t pid)
{
	struct task *task = &tasks[slot];

	task->pid = task->process = last_in[slot] = pid;
	task->pidfd = syscall(SYS_pidfd_open, pid, 0);
	task->smaps = -1;
	task->pgd = 0;
	task->thread = task->busy = false;
	task->order = ++created;
}

/* Slot 0 of a new program; false if it cannot be forked. */
bool task_first(void)
{
	task_prepare();
	if (prepared < 0) {
		prepared = 0;
		return false;
	}
	memset(last_in, 0, sizeof last_in);
	adopt(0, prepared);
	prepared = 0;
	return true;
}

/* What was known about the address space no longer holds. */
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

/* A pidfd becomes readable after exit_mm(), when the address space is gone too. */
static void wait_gone(struct task *task)
{
	struct pollfd poller = { .fd = task->pidfd, .events = POLLIN };

	if (task->pidfd >= 0)
		poll(&poller, 1, GONE_LIMIT_MS);
	forget(task);
}

/* A process with all its threads. */
static void end(struct task *task)
{
	pid_t process = task->process;

	kill(process, SIGKILL);
	wait_gone(task);
	for (int slot = 0; slot < TASKS; slot++)
		if (tasks[slot].pid && tasks[slot].process == process)
			forget(&tasks[slot]);
}

/* The answer from SLOT's process, or its death; false if neither comes within LIMIT_MS. */
static bool await(int slot, int limit_ms, struct answer *answer)
{
	struct task *task = &tasks[slot];
	struct pollfd pollers[2] = {
		{ .fd = AGENT_FD(slot), .events = POLLIN }, { .fd = task->pidfd, .events = POLLIN },
	};

	if (poll(pollers, 2, limit_ms) <= 0)
		return false;
	if ((pollers[0].revents & POLLIN) &&
	    recv(AGENT_FD(slot), answer, sizeof *answer, MSG_DONTWAIT) >= (ssize_t)ANSWER_HEAD)
		return true;
	*answer = (struct answer){ .ret = -1, .error = ESRCH, .kind = DIED };
	end(task);
	return true;
}

/* The same with the limit for an operation; a task that exceeds it is killed. */
static void await_or_kill(int slot, struct answer *answer)
{
	if (await(slot, OP_LIMIT_MS, answer))
		return;
	*answer = (struct answer){ .ret = -1, .error = ETIMEDOUT, .kind = TIMEOUT };
	end(&tasks[slot]);
}

/* Make a task begin its operation; false, with the answer, if it cannot. */
static bool begin(struct op *op, struct answer *answer)
{
	struct task *task = &tasks[op->task];
	bool creates = op->verb == FORK || op->verb == THREAD;

	answer->ret = -1;
	if (!task->pid) {
		answer->error = ESRCH;
	} else if (task->busy) {
		answer->error = EBUSY;
		answer->kind = BUSY;
	} else if (creates && tasks[op->arg[0]].pid) {
		answer->error = EEXIST;
		answer->kind = TAKEN;
	} else {
		if (creates)
			drain(op->arg[0]);
		if (op->verb == RESCAN_MOVED)
			slot_first_place(op);
		task->begun = *op;
		if (op->verb == MRELEASE)
			op->arg[0] = last_in[op->arg[0]];
		if (op->verb == PROCESS_MADVISE)
			op->arg[3] = last_in[op->arg[3]];
		task->busy = true;
		if (op->verb == KILL)
			kill(task->process, SIGKILL);
		else
			send(AGENT_FD(op->task), op, sizeof *op, 0);
		answer->ret = 0;
		answer->kind = BEGUN;
		return true;
	}
	return false;
}

/* A child announces itself. A thread ends with its process, whose descriptor shows when. */
static void welcome(int parent, int child, const struct answer *answer, bool thread)
{
	struct answer announced = { 0 };

	if (thread) {
		adopt(child, tasks[parent].pid);
		tasks[child].thread = true;
		tasks[child].process = last_in[child] = tasks[parent].process;
		if (tasks[child].pidfd >= 0)
			close(tasks[child].pidfd);
		tasks[child].pidfd = fcntl(tasks[parent].pidfd, F_DUPFD_CLOEXEC, 0);
	} else {
		adopt(child, answer->child);
	}
	await_or_kill(child, &announced);
	if (thread && tasks[child].pid)
		tasks[child].pid = announced.child;
}

static void await_slot(bool full, struct answer *answer)
{
	answer->ret = slot_await(full);
	answer->error = answer->ret ? errno : 0;
}

/* SLOT's task has finished what it began; false if not within LIMIT_MS. */
static bool collect(int slot, int limit_ms, struct answer *answer)
{
	struct op op = tasks[slot].begun;

	if (!await(slot, limit_ms, answer))
		return false;
	tasks[slot].busy = false;
	if ((op.verb == EXIT || op.verb == KILL) && answer->kind == DIED)
		memset(answer, 0, ANSWER_HEAD);
	else if (op.verb == MRELEASE && op.arg[1] && !tasks[op.arg[0]].busy && tasks[op.arg[0]].pid)
		end(&tasks[op.arg[0]]);
	else if (op.verb == EXEC)
		forget_mm(&tasks[slot]);
	else if ((op.verb == FORK || op.verb == THREAD) && !answer->ret)
		welcome(slot, op.arg[0], answer, op.verb == THREAD);
	else if ((op.verb == RESCAN || op.verb == RESCAN_MOVED) && !answer->ret)
		await_slot(true, answer);
	return true;
}

static void task_collect(int slot, int limit_ms, struct answer *answer)
{
	if (!tasks[slot].busy)
		*answer = (struct answer){ .ret = -1, .error = EINVAL, .kind = IDLE };
	else if (!collect(slot, limit_ms, answer))
		*answer = (struct answer){ .ret = -1, .error = EAGAIN, .kind = RUNNING };
}

/* Run one operation, or the part of it that was requested. */
void task_operate(struct op *op, struct answer *answer)
{
	memset(answer, 0, ANSWER_HEAD);
	if (op->part == COLLECT) {
		task_collect(op->task, op->arg[0], answer);
	} else if (op->part == WHERE) {
		return;
	} else if (op->vfio && tasks[op->task].pid && vfio_open()) {
		*answer = (struct answer){ .ret = -1, .error = errno };
	} else if (op->verb == VFIO_CLOSE && tasks[op->task].pid) {
		answer->ret = vfio_close();
		answer->error = answer->ret ? errno : 0;
	} else if (op->verb == SLOT && tasks[op->task].pid) {
		await_slot(op->arg[0], answer);
	} else if (begin(op, answer) && op->part == WHOLE) {
		memset(answer, 0, ANSWER_HEAD);
		if (collect(op->task, OP_LIMIT_MS, answer))
			return;
		*answer = (struct answer){ .ret = -1, .error = ETIMEDOUT, .kind = TIMEOUT };
		end(&tasks[op->task]);
	}
}

/* The functions and offsets in /proc/PID/stack, one "[<0>] name+0x1/0x2" per line, without the rest. */
static void say_stack(const char *at)
{
	while ((at = strchr(at, ']'))) {
		at += 1 + (at[1] == ' ');
		say(" ");
		say_bytes(at, strcspn(at, "/ \n"));
	}
}

/* A task's state and, if it sleeps, the functions it is in, innermost first. */
void task_where(int slot)
{
	char path[32] = "/proc/", text[4096], *at = path + strlen(path), state[2] = "-";
	const char *after;

	if (!tasks[slot].pid)
		return;
	for (pid_t scale = 1000000, pid = tasks[slot].pid; scale; scale /= 10)
		if (pid >= scale)
			*at++ = '0' + pid / scale % 10;
	strcpy(at, "/stat");
	read_text(path, text, sizeof text);
	after = strrchr(text, ')');
	if (after && after[1])
		state[0] = after[2];
	strcpy(at, "/stack");
	read_text(path, text, sizeof text);
	say("w ");
	say(state);
	say_stack(text);
	say("\n");
}

/* A loop's process is forked after the operations have been read, so it has them; it takes slot 0. */
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
	await_or_kill(0, answer);
}

/* The end of a program: the task created last dies first. */
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
