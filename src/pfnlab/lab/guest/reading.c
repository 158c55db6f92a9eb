/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The text of a program, read completely before any of it runs.
 */
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "program.h"

#define WORDS 12
#define LONGEST_WAIT_MS 60000UL   /* for the operation that a task has begun */

static const struct { const char *name; int args; } verbs[VERBS] = {
#define NAMED(verb, name, args) [verb] = { name, args },
	EACH_VERB(NAMED)
};

static const char *const vias[VIAS] = {
	[VIA_WC] = "wc", [VIA_UC] = "uc", [VIA_DEVMEM] = "devmem", [VIA_DEVMEM_SYNC] = "devmem-sync",
	[VIA_PROC_WC] = "proc-wc", [VIA_PROC_UC] = "proc-uc", [VIA_ANON] = "anon", [VIA_DRIVER] = "driver",
	[VIA_VFIO] = "vfio", [VIA_PERF] = "perf",
};

const char *const thps[THPS] = { [THP_NEVER] = "never", [THP_MADVISE] = "madvise", [THP_ALWAYS] = "always" };

struct program program;

static const char *wrong;         /* why the text cannot be read; NULL if it can */

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

static enum thp thp(const char *word)
{
	for (int i = 0; i < THPS; i++)
		if (!strcmp(word, thps[i]))
			return i;
	wrong = "no such setting of transparent_hugepage";
	return THP_NEVER;
}

static uint64_t command(const char *word)
{
	int i = driver_command(word);

	if (i < 0)
		wrong = "no such command of the driver";
	return i < 0 ? 0 : i;
}

static uint64_t walker(const char *word)
{
	int i = walker_number(word);

	if (i < 0)
		wrong = "no such walker";
	return i < 0 ? 0 : i;
}

/* Room for one more operation of TASK; if there is none, that of the last operation. */
static struct op *next_op(const char *task, enum part part)
{
	struct op *op = &program.op[program.count];

	if (program.count == OPS - 1)
		wrong = "too many operations";
	else
		program.count++;
	memset(op, 0, sizeof *op);
	op->task = slot(task);
	op->part = part;
	op->keys = program.keys;
	return op;
}

static void read_op(char **word, int words, enum part part)
{
	struct op *op;
	int verb = 0, args;

	op = next_op(words > 1 ? word[1] : "", part);
	if (words < 3) {
		wrong = "an operation needs a task and a verb";
		return;
	}
	while (verb < VERBS && strcmp(word[2], verbs[verb].name))
		verb++;
	args = verb == VERBS ? 0 : verbs[verb].args;
	if (verb == DRIVER && words > 3)
		args += driver_arguments(command(word[3]));
	if (verb == VERBS || words - 3 != args) {
		if (!wrong)
			wrong = verb == VERBS ? "no such verb" : "wrong number of arguments";
		return;
	}
	op->verb = verb;
	program.driver |= verb == DRIVER || verb == BIND || verb == UNBIND || verb == RESCAN_MOVED || (verb == MMAP && !strcmp(word[3], vias[VIA_DRIVER]));
	op->vfio = verb == MEMORY || verb == POWER || verb == VFIO_RESET || verb == VFIO_CLOSE || (verb == MMAP && !strcmp(word[3], vias[VIA_VFIO]));
	program.vfio |= op->vfio;
	for (int i = 0; i < words - 3; i++) {
		if (verb == MMAP && i == 0)
			op->arg[i] = via(word[3]);
		else if (verb == DRIVER && i == 0)
			op->arg[i] = command(word[3]);
		else if ((verb == WALK || verb == BYTES) && i == 0)
			op->arg[i] = walker(word[3]);
		else if (verb == FORK || verb == THREAD || (verb == MRELEASE && i == 0))
			op->arg[i] = slot(word[3]);
		else if (verb == PROCESS_MADVISE && i == 3)
			op->arg[i] = slot(word[6]);
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
		read_op(word, words, WHOLE);
	} else if (!strcmp(word[0], "begin")) {
		read_op(word, words, BEGIN);
	} else if (!strcmp(word[0], "collect") && words == 3) {
		uint64_t limit = number(word[2]);

		next_op(word[1], COLLECT)->arg[0] = limit < LONGEST_WAIT_MS ? limit : LONGEST_WAIT_MS;
	} else if (!strcmp(word[0], "where") && words == 2) {
		next_op(word[1], WHERE);
	} else if (!strcmp(word[0], "observe")) {
		for (int i = 1; i < words; i++) {
			if (!strcmp(word[i], "vmas"))
				program.vmas = true;
			else if (!strcmp(word[i], "ptes"))
				program.ptes = true;
			else if (!strcmp(word[i], "order"))
				program.order = true;
			else if (!strcmp(word[i], "last"))
				program.last = true;
			else if (!strcmp(word[i], "stand"))
				program.stand = true;
			else
				wrong = "observe knows vmas, ptes, order, last and stand";
		}
	} else if (!strcmp(word[0], "watch") && words == 3) {
		read_range(program.watch, &program.watches, number(word[1]), number(word[2]));
	} else if (!strcmp(word[0], "area") && words == 3) {
		uint64_t start = number(word[1]);

		read_range(program.area, &program.areas, start, start + (number(word[2]) << PAGE_SHIFT));
	} else if (!strcmp(word[0], "thp") && words == 2) {
		program.thp = thp(word[1]);
	} else if (!strcmp(word[0], "keys") && words == 1) {
		program.keys = true;
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

/* Read one program from *TEXT, which is advanced past its "end" line; return NULL, or why it cannot be read. */
const char *read_program(char **text)
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
		} else if (words == 1 && (!strcmp(word[0], "end") || !strcmp(word[0], "more"))) {
			ended = true;
			program.more = word[0][0] == 'm';
		} else if (words && !wrong) {
			read_line(word, words);
		}
	}
	if (!ended && !wrong)
		wrong = "no end line";
	for (int i = 0; program.times && i < program.count; i++)
		if (program.op[i].task || program.op[i].part || program.op[i].verb == THREAD ||
		    (program.op[i].verb >= EXEC && program.op[i].verb <= KILL))
			wrong = "a loop has the first task only, and it stays";
	if (program.times && (program.more || program_open()))
		wrong = "a loop is a request of its own";
	return wrong;
}
