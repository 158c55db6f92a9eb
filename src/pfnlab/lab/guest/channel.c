/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The channel: a BAR shared with the host. Sequence words say whose turn it is; replies are written in place. Two ports
 * save both sides from polling: the host sleeps until the bell rings, and the guest waits at the gate.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

#define REQUEST 4096
#define REPLY (1 << 20)
/*
 * Number of polls before the agent starts to sleep, some 15 ms. A nap takes two ticks, and the host is seldom slower.
 */
#define YIELDS 3000
/* A nap takes at most an eighth of the wait so far; a guest with nothing to do sleeps long. */
#define LONGEST_NAP_NS 20000000

enum { REQUEST_SEQUENCE, REQUEST_LENGTH, REPLY_SEQUENCE, REPLY_LENGTH, HEARTBEAT, BEGUN_OPS, ALLOWED_OPS, DONE_OPS, TURNS, PORTS, AWAITED };
/* Bits of TURNS. */
enum { RING = 1, STAND = 2, NAP = 4 };
/* A write to the gate returns once the host lets the guest through; until then the processor stands still. */
enum { BELL = 0xe9, GATE };

static volatile uint32_t *words;
static char *reply;
static size_t said, room;
static uint32_t sequence = 1;     /* for the reply being written; the first is the hello */
static char request[REPLY - REQUEST + 1];
static bool has_ports;

void channel_open(void)
{
	struct stat st;
	int fd = open(CHANNEL "/resource2_wc", O_RDWR | O_CLOEXEC);

	/* Without PAT this file does not exist. */
	if (fd < 0)
		fd = open(CHANNEL "/resource2", O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size < 2 * REPLY)
		give_up("no shared memory at " CHANNEL);
	words = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (words == MAP_FAILED)
		give_up("the shared memory cannot be mapped");
	close(fd);
	/* Tasks must not inherit a tracked mapping: it would show up in their observations. */
	if (madvise((void *)words, st.st_size, MADV_DONTFORK))
		give_up("the shared memory cannot be kept from the tasks");
	/* A kernel without CONFIG_X86_IOPL_IOPERM does not grant access to them. */
	has_ports = !ioperm(BELL, 2, 1);
	words[PORTS] = has_ports;
	reply = (char *)words + REPLY;
	room = st.st_size - REPLY;
}

/* A task reports nothing to the host, and is a process without ports like any other. */
void channel_leave(void)
{
	if (has_ports)
		ioperm(BELL, 2, 0);
}

static bool takes_turns(uint32_t way)
{
	return has_ports && words[TURNS] & way;
}

static void ring(void)
{
	if (takes_turns(RING))
		outb(0, BELL);
}

/* Wait until the host has written a value to WORD that OKAY accepts; poll YIELDS times before the first nap. */
static void await_host(int word, bool (*okay)(uint32_t value, uint32_t wanted), uint32_t wanted, int yields)
{
	struct timespec nap = { .tv_nsec = 50000 };

	for (int polls = 0; !okay(words[word], wanted); polls++) {
		words[HEARTBEAT]++;
		if (polls < yields) {
			sched_yield();
			continue;
		}
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < LONGEST_NAP_NS)
			nap.tv_nsec += nap.tv_nsec / 8;
	}
	__sync_synchronize();
}

static bool equal(uint32_t value, uint32_t wanted)
{
	return value == wanted;
}

static bool more(uint32_t value, uint32_t than)
{
	return value > than;
}

/* Wait for the next request; its text ends with NUL and may be modified. */
char *channel_request(void)
{
	uint32_t n;

	words[AWAITED] = sequence;
	ring();
	await_host(REQUEST_SEQUENCE, equal, sequence, words[TURNS] & NAP ? 0 : YIELDS);
	n = words[REQUEST_LENGTH];
	if (n >= sizeof request)
		n = sizeof request - 1;
	memcpy(request, (char *)words + REQUEST, n);
	request[n] = 0;
	words[BEGUN_OPS] = 0;
	return request;
}

/* Tell the host how far a request has come: if the kernel does not survive, this is all that remains. */
void channel_begun(uint32_t operations)
{
	words[BEGUN_OPS] = operations;
}

/* Wait until the host lets the operation begin that follows so many others. */
void channel_await(uint32_t operations)
{
	while (takes_turns(STAND) && words[ALLOWED_OPS] <= operations)
		outb(0, GATE);
	await_host(ALLOWED_OPS, more, operations, YIELDS);
}

/* Hand over to the host what has been said. */
void channel_reply(void)
{
	if (said > room) {
		said = 0;
		say("error the reply does not fit\n");
	}
	words[REPLY_LENGTH] = said;
	__sync_synchronize();
	words[REPLY_SEQUENCE] = sequence++;
	ring();
	said = 0;
}

/* What has been said so far is complete, and worth reading even if nothing follows: so many operations are done. */
void channel_progress(uint32_t operations)
{
	__sync_synchronize();
	if (said <= room)
		words[REPLY_LENGTH] = said;
	__sync_synchronize();
	words[DONE_OPS] = operations;
	ring();
}

void say_bytes(const char *text, size_t n)
{
	if (said + n <= room)
		memcpy(reply + said, text, n);
	said += n;
}

void say(const char *text)
{
	say_bytes(text, strlen(text));
}

void say_hex(uint64_t number)
{
	char text[16];
	int at = sizeof text;

	do
		text[--at] = "0123456789abcdef"[number & 15];
	while (number >>= 4);
	say_bytes(text + at, sizeof text - at);
}

void say_decimal(int64_t number)
{
	char text[20];
	int at = sizeof text;
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	if (number < 0)
		say("-");
	do
		text[--at] = '0' + rest % 10;
	while (rest /= 10);
	say_bytes(text + at, sizeof text - at);
}
