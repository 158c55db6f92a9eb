/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What can be observed of a program from outside: the memtype list, the kernel log, and its tasks' VMAs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define LIST_LINE 128             /* no line in the list is longer */
#define LIST_CHUNK 65536
#define SMAPS_CHUNK 512           /* shorter than the lines for one VMA */

static int list = -1, kmsg = -1;
static char text[1 << 20];

static bool without_pat(void)
{
	read_text("/proc/cmdline", text, sizeof text);
	return strstr(text, " nopat") != NULL;
}

void observe_open(void)
{
	list = open(MEMTYPE_LIST, O_RDONLY | O_CLOEXEC);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* A kernel told to run without PAT has no list; in any other kernel its absence is an error. */
	if (list < 0 && !without_pat())
		give_up(MEMTYPE_LIST " cannot be opened");
	if (kmsg < 0)
		give_up("/dev/kmsg cannot be opened");
	lseek(kmsg, 0, SEEK_END);
}

/*
 * Read FD from its start in chunks of CHUNK bytes, to its end or until DONE says that the rest does not matter. Such
 * files are generated as they are read, in whole records up to a page, so a small CHUNK means that little more is
 * generated than needed.
 */
static void read_records(int fd, size_t chunk, bool (*done)(size_t have, size_t got))
{
	size_t have = 0;

	while (have + chunk < sizeof text) {
		ssize_t n = pread(fd, text + have, chunk, have);

		if (n <= 0)
			break;
		have += n;
		text[have] = 0;
		if (done(have, n))
			break;
	}
	text[have] = 0;
}

static bool overlaps(const struct range *ranges, int count, uint64_t start, uint64_t end)
{
	for (int i = 0; i < count; i++)
		if (start < ranges[i].end && ranges[i].start < end)
			return true;
	return false;
}

/* If a read left room for another line, it contained the last one. */
static bool list_ended(size_t have, size_t got)
{
	(void)have;
	return got + LIST_LINE < PAGE;
}

/* Lines have the form "PAT: [mem 0xSTART-0xEND] TYPE", with an exclusive end. */
void observe_memtypes(const struct range *watch, int watches)
{
	if (!watches)
		return;
	read_records(list, LIST_CHUNK, list_ended);
	for (const char *line = text; line && *line;) {
		const char *next = strchr(line, '\n');

		if (starts(line, "PAT: [mem 0x") && next) {
			const char *at = line + 12;
			uint64_t start = hex(&at), end;

			at += 3;
			end = hex(&at);
			at += 2;
			if (overlaps(watch, watches, start, end)) {
				say("m ");
				say_hex(start);
				say(" ");
				say_hex(end);
				say(" ");
				say_bytes(at, next - at + 1);
			}
		}
		line = next ? next + 1 : NULL;
	}
}

/* Records have the form "LEVEL,SEQUENCE,TIME,-;TEXT", and may have more lines about the device. */
void observe_log(bool tell)
{
	char record[8192];

	for (;;) {
		ssize_t n = read(kmsg, record, sizeof record - 1);
		char *at;

		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue;     /* the oldest were overwritten: continue with what is left */
		if (n <= 0)
			return;
		record[n] = 0;
		at = strchr(record, ';');
		if (!tell || !at)
			continue;
		say("l ");
		say_bytes(record, strcspn(record, ","));
		say("\nk ");
		say_bytes(at + 1, strcspn(at + 1, "\n"));
		say("\n");
	}
}

/* What follows KEY and its padding in the line, if the line starts with KEY; else NULL. */
static const char *field(const char *line, const char *key)
{
	return starts(line, key) ? line + strlen(key) + strspn(line + strlen(key), " ") : NULL;
}

struct vma {
	const char *line;             /* "START-END PERMS OFFSET DEV INODE   PATH" */
	uint64_t start, end, rss, anon, locked;
};

static void say_vma(int slot, const struct vma *vma, const char *flags)
{
	const char *perms = strchr(vma->line, ' ') + 1;
	const char *offset = strchr(perms, ' ') + 1;
	const char *at = offset;
	uint64_t off = hex(&at);

	say("v ");
	say_decimal(slot);
	say(" ");
	say_hex(vma->start);
	say(" ");
	say_hex(vma->end);
	say(" ");
	say_bytes(perms, 4);
	say(" ");
	say_hex(off);
	say(" ");
	say_decimal(vma->rss);
	say(" ");
	say_decimal(vma->anon);
	say(" ");
	say_decimal(vma->locked);
	say(" ");
	for (const char *flag = flags; (flag[0] >= 'a' && flag[0] <= 'z') || flag[0] == '?'; flag += strspn(flag, " ")) {
		size_t n = strcspn(flag, " \n");

		if (flag != flags)
			say(",");
		say_bytes(flag, n);
		flag += n;
	}
	say(" ");
	for (int i = 0; i < 2; i++) {     /* device, inode */
		at += strspn(at, " ");
		at += strcspn(at, " \n");
	}
	at += strspn(at, " ");
	say_bytes(at, strcspn(at, "\n"));
	say("\n");
}

static uint64_t wanted_end;

/* True if the chunk just read contains the start of a VMA past everything that was requested. */
static bool all_seen(size_t have, size_t got)
{
	const char *line = text + have - got;

	while (line > text && line[-1] != '\n')
		line--;
	for (; line && *line; line = strchr(line, '\n'), line += !!line) {
		const char *at = line;
		uint64_t start = hex(&at);

		if (at > line && *at == '-' && start >= wanted_end)
			return true;
	}
	return false;
}

/* The VMAs of SLOT that overlap an area, from smaps, which stays open between observations. */
void observe_vmas(int slot, const struct range *area, int areas)
{
	struct task *task = &tasks[slot];
	struct vma vma = { 0 };

	if (task->smaps < 0) {
		char path[32] = "/proc/";
		char digits[12];
		int at = sizeof digits;

		for (pid_t pid = task->pid; pid; pid /= 10)
			digits[--at] = '0' + pid % 10;
		strncat(path, digits + at, sizeof digits - at);
		strcat(path, "/smaps");
		task->smaps = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (task->smaps < 0 || !areas)
		return;
	wanted_end = 0;
	for (int i = 0; i < areas; i++)
		if (area[i].end > wanted_end)
			wanted_end = area[i].end;
	read_records(task->smaps, SMAPS_CHUNK, all_seen);
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += !!line) {
		const char *value, *at = line;

		if ((line[0] >= 'a' && line[0] <= 'f') || (line[0] >= '0' && line[0] <= '9')) {
			vma = (struct vma){ .line = line, .start = hex(&at) };
			at++;
			vma.end = hex(&at);
			if (!overlaps(area, areas, vma.start, vma.end))
				vma.line = NULL;
		} else if (!vma.line) {
			continue;
		} else if ((value = field(line, "Rss:"))) {
			vma.rss = decimal(&value);
		} else if ((value = field(line, "Anonymous:"))) {
			vma.anon = decimal(&value);
		} else if ((value = field(line, "Locked:"))) {
			vma.locked = decimal(&value);
		} else if ((value = field(line, "VmFlags:"))) {
			say_vma(slot, &vma, value);
			vma.line = NULL;
		}
	}
}
