/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One program: read the whole text first (reading.c), then run its operations and observe after each. If the text
 * cannot be read, nothing is run.
 */
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "program.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

static bool open;                 /* the last request left its tasks for the next one */

static void say_answer(const struct answer *answer)
{
	static const char *const words[] = {
		[DIED] = " died", [TIMEOUT] = " timeout", [TAKEN] = " taken",
		[BEGUN] = " begun", [RUNNING] = " running", [BUSY] = " busy", [IDLE] = " idle",
	};

	say("r ");
	say_decimal(answer->ret);
	say(" ");
	say_decimal(answer->error);
	if (answer->kind == NUMBER) {
		say(" ");
		say_decimal(answer->value);
	} else if (answer->kind == ADDRESS) {
		say(" ");
		say_hex(answer->value);
	} else if (answer->kind == SIGNAL) {
		say(" sig ");
		say_decimal(answer->value);
		say(" ");
		say_decimal(answer->code);
	} else if (answer->kind == DIGITS) {
		say(" ");
		say_bytes(answer->text, answer->value);
	} else if (answer->kind != NO_VALUE) {
		say(words[answer->kind]);
	}
	say("\n");
}

/* Observations from outside, which belong to no task. */
static void observe_kernel(bool between)
{
	if (program.watches && !(between && program.last))
		observe_memtypes(program.watch, program.watches);
	observe_log(true);
}

static void observe(void)
{
	observe_kernel(true);
	for (int i = 0; i < TASKS; i++) {
		if (!tasks[i].pid || tasks[i].thread)
			continue;
		if (program.vmas)
			observe_vmas(i, program.area, program.areas);
		if (program.ptes)
			observe_ptes(i, program.area, program.areas);
	}
}

/* For the tasks created since the last time. */
static void say_new_pids(void)
{
	static unsigned told;
	unsigned last = told;

	for (int i = 0; i < TASKS; i++) {
		if (!tasks[i].pid || tasks[i].order <= told)
			continue;
		say("pid ");
		say_decimal(i);
		say(" ");
		say_decimal(tasks[i].pid);
		say("\n");
		if (tasks[i].order > last)
			last = tasks[i].order;
	}
	told = last;
}

static void run_op(int i)
{
	struct op *op = &program.op[i];
	struct answer answer;

	if (program.stand)
		channel_await(i);
	channel_begun(i + 1);
	strcpy(op->comm, program.comm[op->task]);
	if (op->verb == FORK || op->verb == THREAD)
		strcpy(op->child_comm, program.comm[op->arg[0]]);
	if (program.order)
		order_begin(op);
	task_operate(op, &answer);
	say("step ");
	say_decimal(i);
	say("\n");
	say_answer(&answer);
	order_end();
	if (op->part == WHERE)
		task_where(op->task);
	observe();
	say_new_pids();
	channel_progress(i + 1);
}

static void end_program(void)
{
	if (program.stand)
		channel_await(program.count);
	channel_begun(program.count + 1);
	if (program.order)
		order_begin(NULL);
	tasks_kill();
	say("step end\nr 0 0\n");
	order_end();
	vfio_end();
	observe_kernel(false);
}

static void run_program(void)
{
	say("before\n");
	observe_kernel(open);
	channel_progress(0);
	for (int i = 0; i < program.count; i++)
		run_op(i);
	if (!program.more)
		end_program();
}

static void run_loop(void)
{
	struct answer answer;

	task_loop(program.op, program.count, program.times, &answer);
	say("loop\n");
	say_answer(&answer);
	tasks_kill();
}

/* True if there are tasks waiting for the next request. */
bool program_open(void)
{
	return open;
}

/*
 * Written only where it changes: in a guest with so little memory, the kernel boots with "never". After the first
 * change there is a khugepaged, which must sleep, because it scans what programs map.
 */
static const char *set_thp(void)
{
	static enum thp now = THP_NEVER;

	if (program.thp == now)
		return NULL;
	write_text(THP "khugepaged/scan_sleep_millisecs", "1000000000");
	if (write_text(THP "enabled", thps[program.thp]))
		return "transparent_hugepage cannot be set";
	now = program.thp;
	return NULL;
}

static void answer_program(char **text)
{
	const char *wrong = read_program(text);

	if (!open)
		driver_reset();
	if (!wrong && !open)
		wrong = set_thp();
	if (!wrong && program.driver)
		wrong = driver_load();
	if (!wrong && program.vfio)
		wrong = vfio_prepare();
	if (!wrong && !program.times && !open && !task_first())
		wrong = "the first task cannot be forked";
	/*
	 * Pages that earlier programs left unflushed are not part of an open program, in which processors may be held.
	 * The stacks of their tasks go away after two grace periods: of the task, then of its stack.
	 */
	if (!wrong && program.more && !open) {
		for (int i = 0; i < 2; i++)
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		map_low(AGENT_PAGE, LOWMEM_START, false);
	}
	if (wrong) {
		say("error ");
		say(wrong);
		say("\n");
		tasks_kill();
		vfio_end();
	} else {
		say("program ");
		say(program.id);
		say("\n");
		if (program.times)
			run_loop();
		else
			run_program();
	}
	open = !wrong && program.more;
	say("done ");
	say(program.id);
	say("\n");
}

/* The driver gives back what the last program did not, before anyone looks for leftovers. */
static void answer_reset(void)
{
	driver_reset();
	say("done reset\n");
}

/*
 * A request is one program or several, answered in order; or it asks for symbols or a bundle, resets, or arms probes.
 */
void run_request(char *text)
{
	if (starts(text, "symbols"))
		answer_symbols(text);
	else if (starts(text, "trace"))
		answer_trace(text);
	else if (starts(text, "collect"))
		answer_collect();
	else if (starts(text, "reset"))
		answer_reset();
	else
		do
			answer_program(&text);
		while (text && *text);
}
