/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/self/smaps_rollup, which has sums over all of the task's VMAs, including the agent's own. The contribution of
 * some VMAs is what remains after subtracting what smaps reports for the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define TRIES 8                   /* the agent's own pages appear only once, so two readings soon agree */

struct sums {
	uint64_t rss, anonymous;      /* kB */
};

/*
 * Add the fields in FD to SUMS, reading it to the end and closing it; VMAs that overlap the range of APART are left
 * out.
 */
static int add_fields(int fd, const struct op *apart, struct sums *sums)
{
	char text[PAGE + 1] = { 0 };  /* a read returns whole records, up to a page of them */
	bool counts = true;
	ssize_t got;
	int error;

	while ((got = read(fd, text, PAGE)) > 0) {
		text[got] = 0;
		for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			const char *at = line;
			uint64_t start = hex(&at), end, *sum;

			if (at > line && *at == '-') {
				at++;
				end = hex(&at);
				counts = !apart || start >= apart->arg[1] + apart->arg[2] || apart->arg[1] >= end;
				continue;
			}
			sum = starts(line, "Rss:") ? &sums->rss : starts(line, "Anonymous:") ? &sums->anonymous : NULL;
			if (counts && sum) {
				at = line + strcspn(line, "0123456789");
				*sum += decimal(&at);
			}
		}
	}
	error = errno;
	close(fd);
	errno = error;
	return got < 0 ? -1 : 0;
}

static int open_own(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * "RSS ANONYMOUS" in kB: the contribution to the sums of the VMAs that overlap the range of OP. Only the first reading
 * is recorded.
 */
void read_rollup(const struct op *op, struct answer *answer)
{
	struct sums whole = { 0 }, others, before;
	int fd = open_own("/proc/self/smaps_rollup"), tries = 0;

	if (op->order)
		order_record(true);
	answer->ret = add_fields(fd, NULL, &whole);
	answer->error = errno;
	if (op->order)
		order_record(false);
	do {
		before = whole;
		memset(&others, 0, sizeof others);
		memset(&whole, 0, sizeof whole);
		if (answer->ret || add_fields(open_own("/proc/self/smaps"), op, &others) ||
		    add_fields(open_own("/proc/self/smaps_rollup"), NULL, &whole)) {
			answer->error = answer->ret ? answer->error : errno;
			answer->ret = -1;
			return;
		}
	} while (memcmp(&before, &whole, sizeof whole) && ++tries < TRIES);
	if (tries == TRIES) {
		answer->ret = -1;
		answer->error = EAGAIN;
		return;
	}
	add_number(answer, whole.rss - others.rss);
	add_number(answer, whole.anonymous - others.anonymous);
	answer->kind = DIGITS;
}
