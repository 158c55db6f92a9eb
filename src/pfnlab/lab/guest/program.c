/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One program: read the whole text first, then run its operations and observe after each.
 * A text that cannot be read runs nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#define RANGES 64
#define OPS 4096
#define WORDS 12

static const struct { const char *name; int args; } verbs[VERBS] = {
	[MMAP] = { "mmap", 6 }, [MUNMAP] = { "munmap", 2 }, [MLOCK] = { "mlock", 2 }, [MUNLOCK] = { "munlock", 2 },
	[MSYNC] = { "msync", 2 }, [MSEAL] = { "mseal", 2 }, [MPROTECT] = { "mprotect", 3 }, [MADVISE] = { "madvise", 3 },
	[MREMAP] = { "mremap", 5 }, [MLOCKALL] = { "mlockall", 0 }, [LOAD] = { "load", 1 }, [STORE] = { "store", 2 },
	[FORK] = { "fork", 1 }, [EXEC] = { "exec", 0 }, [EXIT] = { "exit", 0 }, [KILL] = { "kill", 0 }, [NOP] = { "nop", 0 },
};

static const char *const vias[VIAS] = {
	[VIA_WC] = "wc", [VIA_UC] = "uc", [VIA_DEVMEM] = "devmem", [VIA_DEVMEM_SYNC] = "devmem-sync",
	[VIA_PROC_WC] = "proc-wc", [VIA_PROC_UC] = "proc-uc", [VIA_ANON] = "anon",
};

static struct {
	const char *id;
	bool vmas, ptes;
	struct range watch[RANGES], area[RANGES];
	int watches, areas, count;
	uint64_t times;               /* of a loop; 0: a program */
	char comm[TASKS][COMM];
	struct op op[OPS];
} program;

static const char *wrong;         /* why the text cannot be read, NULL when it can */

static uint64_t number(const char *word)
{
	const char *at = word;
	uint64_t value = hex(&at);

	if (*at || at == word)
		wrong = "a number is not hexadecimal";
	return value;
}

static int slot(const char *word)
{
	const char *at = word;
	uint64_t value = decimal(&at);

	if (*at || at == word || value >= TASKS) {
		wrong = "a task is not a decimal slot 0..15";
		return 0;
	}
	return value;
}

static uint64_t via(const char *word)
{
	for (int i = 0; i < VIAS; i++)
		if (!strcmp(word, vias[i]))
			return i;
	wrong = "no such way to map";
	return 0;
}

static void read_op(char **word, int words)
{
	struct op *op = &program.op[program.count];
	int verb = 0;

	if (words < 3 || program.count == OPS) {
		wrong = words < 3 ? "op needs a task and a verb" : "too many operations";
		return;
	}
	program.count++;
	memset(op, 0, sizeof *op);
	op->task = slot(word[1]);
	while (verb < VERBS && strcmp(word[2], verbs[verb].name))
		verb++;
	if (verb == VERBS || words - 3 != verbs[verb].args) {
		wrong = verb == VERBS ? "no such verb" : "wrong number of arguments";
		return;
	}
	op->verb = verb;
	for (int i = 0; i < words - 3; i++) {
		if (verb == MMAP && i == 0)
			op->arg[i] = via(word[3]);
		else if (verb == FORK)
			op->arg[i] = slot(word[3]);
		else
			op->arg[i] = number(word[3 + i]);
	}
}

static void read_range(struct range *ranges, int *count, uint64_t start, uint64_t end)
{
	if (*count == RANGES) {
		wrong = "too many ranges";
		return;
	}
	ranges[(*count)++] = (struct range){ start, end };
}

static void read_line(char **word, int words)
{
	if (!strcmp(word[0], "op")) {
		read_op(word, words);
	} else if (!strcmp(word[0], "observe")) {
		for (int i = 1; i < words; i++) {
			if (!strcmp(word[i], "vmas"))
				program.vmas = true;
			else if (!strcmp(word[i], "ptes"))
				program.ptes = true;
			else
				wrong = "observe knows vmas and ptes";
		}
	} else if (!strcmp(word[0], "watch") && words == 3) {
		read_range(program.watch, &program.watches, number(word[1]), number(word[2]));
	} else if (!strcmp(word[0], "area") && words == 3) {
		uint64_t start = number(word[1]);

		read_range(program.area, &program.areas, start, start + (number(word[2]) << PAGE_SHIFT));
	} else if (!strcmp(word[0], "loop") && words == 2) {
		program.times = number(word[1]);
	} else if (!strcmp(word[0], "name") && words == 3) {
		strncpy(program.comm[slot(word[1])], word[2], COMM - 1);
	} else {
		wrong = "no such line";
	}
}

static int split(char *line, char **word)
{
	int words = 0;

	for (char *rest = NULL, *w = strtok_r(line, " ", &rest); w && words < WORDS; w = strtok_r(NULL, " ", &rest))
		word[words++] = w;
	return words;
}

/* Read one program off *TEXT, which moves behind its "end" line. */
static void read_program(char **text)
{
	bool ended = false;

	memset(&program, 0, offsetof(typeof(program), op));
	for (int i = 0; i < TASKS; i++)
		strcpy(program.comm[i], "init");
	program.id = "-";
	wrong = NULL;
	for (int line = 0; !ended && *text && **text; line++) {
		char *word[WORDS], *next = strchr(*text, '\n');
		int words;

		if (next)
			*next++ = 0;
		words = split(*text, word);
		*text = next;
		if (line == 0) {
			if (words != 2 || strcmp(word[0], "program"))
				wrong = "a request begins with program ID";
			else
				program.id = word[1];
		} else if (words == 1 && !strcmp(word[0], "end")) {
			ended = true;
		} else if (words && !wrong) {
			read_line(word, words);
		}
	}
	if (!ended && !wrong)
		wrong = "no end line";
	for (int i = 0; program.times && i < program.count; i++)
		if (program.op[i].task || (program.op[i].verb >= EXEC && program.op[i].verb <= KILL))
			wrong = "a loop has the first task only, and it stays";
}

static void say_answer(const struct answer *answer)
{
	say("r ");
	say_decimal(answer->ret);
	say(" ");
	say_decimal(answer->error);
	switch (answer->kind) {
	case NUMBER:
		say(" ");
		say_decimal(answer->value);
		break;
	case ADDRESS:
		say(" ");
		say_hex(answer->value);
		break;
	case SIGNAL:
		say(" sig ");
		say_decimal(answer->value);
		say(" ");
		say_decimal(answer->code);
		break;
	case DIED:
		say(" died");
		break;
	case TIMEOUT:
		say(" timeout");
		break;
	case TAKEN:
		say(" taken");
		break;
	case NO_VALUE:
		break;
	}
	say("\n");
}

static void observe(void)
{
	observe_memtypes(program.watch, program.watches);
	observe_log(true);
	for (int i = 0; i < TASKS; i++) {
		if (tasks[i].pid && program.vmas)
			observe_vmas(i, program.area, program.areas);
		if (tasks[i].pid && program.ptes)
			observe_ptes(i, program.area, program.areas);
	}
}

static void say_pid(int task)
{
	if (!tasks[task].pid)
		return;
	say("pid ");
	say_decimal(task);
	say(" ");
	say_decimal(tasks[task].pid);
	say("\n");
}

static void run_op(int i)
{
	struct op *op = &program.op[i];
	struct answer answer;

	strcpy(op->comm, program.comm[op->task]);
	if (op->verb == FORK)
		strcpy(op->child_comm, program.comm[op->arg[0]]);
	task_operate(op, &answer);
	say("step ");
	say_decimal(i);
	say("\n");
	say_answer(&answer);
	observe();
	if (i == 0)
		say_pid(0);
	if (op->verb == FORK && !answer.ret)
		say_pid(op->arg[0]);
}

static void run_program(void)
{
	say("before\n");
	observe_memtypes(program.watch, program.watches);
	observe_log(true);
	for (int i = 0; i < program.count; i++)
		run_op(i);
	tasks_kill();
	say("step end\nr 0 0\n");
	observe_memtypes(program.watch, program.watches);
	observe_log(true);
}

static void run_loop(void)
{
	struct answer answer;

	task_loop(program.op, program.count, program.times, &answer);
	say("loop\n");
	say_answer(&answer);
	tasks_kill();
}

/* A request is one program or several, answered in order. */
void run_request(char *text)
{
	do {
		read_program(&text);
		if (!wrong && !program.times && !task_first())
			wrong = "the first task cannot be forked";
		if (wrong) {
			say("error ");
			say(wrong);
			say("\n");
		} else {
			say("program ");
			say(program.id);
			say("\n");
			if (program.times)
				run_loop();
			else
				run_program();
		}
		say("done ");
		say(program.id);
		say("\n");
	} while (text && *text);
}
