/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The order of kernel calls inside an operation: kprobes with arguments, armed once, recording only while the acting
 * task is in its system call. The ring buffer is read in binary form, because formatting it as text costs more than
 * recording.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent.h"
#include "marks.h"

#define TEXT(...) #__VA_ARGS__
#define INSTRUCTION(...) ".byte " TEXT(__VA_ARGS__)
#define TRACING "/sys/kernel/tracing/"
#define BUFFER_KB "512"           /* ten thousand events */
#define PROBES 96
#define NAME 64
#define FETCHED 4                 /* maximum number of arguments of an event */

/* The ring buffer, in pages: time, committed bytes, then events, each preceded by a word with length and time. */
#define COMMITTED 8
#define EVENTS 16
#define MISSED 0x80000000U        /* in the committed bytes: events before this page were overwritten */
#define LENGTH 0xfffffU
enum { LONG_EVENT = 0, PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };

/* An event from a kprobe: struct trace_entry, the probed address, the arguments. */
struct record {
	uint16_t type;
	uint8_t flags, preempt;
	int32_t pid;
	uint64_t address;
	uint64_t arg[FETCHED];
};

static struct {
	char symbol[NAME];
	int args;
	uint64_t type;
} probe[PROBES];

static int probes;
static bool armed;
static int records = -1;
static pid_t watched[TASKS];
static int watching;

static bool append(const char *path, const char *text)
{
	size_t n = strlen(text);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, n) == (ssize_t)n;

	if (fd >= 0)
		close(fd);
	return done;
}

static void number_name(char *to, int number)
{
	to[0] = 'p';
	to[1] = '0' + number / 10;
	to[2] = '0' + number % 10;
	to[3] = 0;
}

/* Start or stop recording. Every process has its own descriptor, opened before anything it records. */
static void record(bool on)
{
	static int fd = -1;
	int error = errno;

	if (fd < 0)
		fd = open(TRACING "tracing_on", O_WRONLY | O_CLOEXEC);
	if (write(fd, on ? "1" : "0", 1) < 0)
		fd = -1;
	errno = error;
}

/* Recording is on when tracefs is first mounted. */
static bool open_buffer(void)
{
	if (records >= 0)
		return true;
	if (mount("tracefs", TRACING, "tracefs", 0, NULL) && errno != EBUSY)
		return false;
	record(false);
	write_text(TRACING "buffer_size_kb", BUFFER_KB);
	records = open(TRACING "per_cpu/cpu0/trace_pipe_raw", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return records >= 0;
}

/* One more probe, on SYMBOL, which fetches ARGS arguments; false if the kernel refuses it. */
static bool add_probe(const char *symbol, char **fetch, int args)
{
	char text[512], path[128], name[4], id[16];
	const char *at = id;

	for (int i = 0; i < probes; i++)
		if (!strcmp(probe[i].symbol, symbol))
			return true;  /* a second probe would report every event twice */
	if (probes == PROBES || args > FETCHED || strlen(symbol) >= NAME || !open_buffer())
		return false;
	number_name(name, probes);
	strcpy(text, "p:pfnlab/");
	strcat(strcat(strcat(text, name), " "), symbol);
	for (int i = 0; i < args; i++) {
		char argument[] = " a0=";

		argument[2] += i;
		if (strlen(text) + strlen(fetch[i]) + 16 > sizeof text)
			return false;
		strcat(strcat(strcat(text, argument), fetch[i]), ":x64");
	}
	if (!append(TRACING "kprobe_events", text))
		return false;
	strcat(strcat(strcpy(path, TRACING "events/pfnlab/"), name), "/id");
	read_text(path, id, sizeof id);
	strcpy(probe[probes].symbol, symbol);
	probe[probes].args = args;
	probe[probes].type = decimal(&at);
	probes++;
	return true;
}

/*
 * Lines "probe SYMBOL FETCH...": if the kernel lacks a symbol it refuses that probe, and the others stay. All are
 * enabled together, so all code patching is over long before anything is measured.
 */
void answer_trace(char *text)
{
	for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *fetch[FETCHED + 1], *inner = NULL, *word = strtok_r(line, " ", &inner), *symbol;
		int args = 0;

		if (!word || strcmp(word, "probe") || !(symbol = strtok_r(NULL, " ", &inner)))
			continue;
		while (args <= FETCHED && (fetch[args] = strtok_r(NULL, " ", &inner)))
			args++;
		say(add_probe(symbol, fetch, args) ? "probe " : "refused ");
		say(symbol);
		say("\n");
	}
	armed = probes && !write_text(TRACING "events/pfnlab/enable", "1");
	say_hello();
}

bool order_armed(void)
{
	return armed;
}

/* Begin or end what is observed of an operation; without probes there are only the marks. */
void order_record(bool on)
{
	if (!on)
		asm volatile(INSTRUCTION(CLOSING_MARK) ::: "memory");
	record(on);
	if (on)
		asm volatile(INSTRUCTION(OPENING_MARK) ::: "memory");
}

__thread bool order_in_calls;     /* in the operation that this task is executing */

/* The same for a single call, if the operation that it belongs to is recorded call by call. */
void order_call(bool on)
{
	if (order_in_calls)
		order_record(on);
}

/*
 * Report what OP's task does, and what the threads in its process do (the last of them ends the process); without OP,
 * what all tasks do. The task starts recording by itself, unless it is to be killed.
 */
void order_begin(struct op *op)
{
	watching = 0;
	for (int i = 0; i < TASKS; i++)
		if (tasks[i].pid && (!op || i == op->task || tasks[i].thread))
			watched[watching++] = tasks[i].pid;
	if (op)
		op->order = op->part == WHOLE;
	if (watching && (!op || op->verb == KILL))
		order_record(true);
}

static bool is_watched(pid_t pid)
{
	for (int i = 0; i < watching; i++)
		if (watched[i] == pid)
			return true;
	return false;
}

static void say_record(const struct record *record)
{
	int i = 0;

	if (!is_watched(record->pid))
		return;
	while (i < probes && probe[i].type != record->type)
		i++;
	if (i == probes)
		return;
	say("e ");
	say(probe[i].symbol);
	for (int k = 0; k < probe[i].args; k++) {
		say(" ");
		say_hex(record->arg[k]);
	}
	say("\n");
}

static void say_page(const char *page)
{
	uint32_t committed, head, length;

	memcpy(&committed, page + COMMITTED, sizeof committed);
	if (committed & MISSED)
		say("e lost\n");
	committed &= LENGTH;
	for (const char *at = page + EVENTS, *end = at + committed; at < end; at += length) {
		const char *data = at + sizeof head;
		uint32_t kind;

		memcpy(&head, at, sizeof head);
		kind = head & 31;
		if (kind == TIME_EXTEND || kind == TIME_STAMP) {
			length = 8;
			continue;
		}
		if (kind == PADDING && !(head >> 5))
			return;
		if (kind == LONG_EVENT || kind == PADDING) {
			memcpy(&length, data, sizeof length);
			length += sizeof head;
			data += sizeof length;
		} else {
			length = sizeof head + kind * 4;
		}
		if (kind != PADDING) {
			struct record record = { 0 };
			size_t size = at + length - data;

			memcpy(&record, data, size < sizeof record ? size : sizeof record);
			say_record(&record);
		}
	}
}

/* Stop recording; if anything was watched, report what was recorded; then discard it. */
void order_end(void)
{
	static char page[PAGE] __attribute__((aligned(8)));

	if (!watching)
		return;
	order_record(false);
	while (read(records, page, sizeof page) > EVENTS)
		say_page(page);
	watching = 0;
}
