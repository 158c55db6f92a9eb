/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading small files whole, and parsing numbers without stdio, because the agent parses on an emulated CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* Read PATH, at most SIZE - 1 bytes, and terminate it with NUL; an unreadable file counts as empty. */
void read_text(const char *path, char *to, size_t size)
{
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && have < size - 1) {
		ssize_t n = read(fd, to + have, size - 1 - have);

		if (n <= 0)
			break;
		have += n;
	}
	if (fd >= 0)
		close(fd);
	to[have] = 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Write TEXT in a single write, which may be an operation; -1 with errno. */
int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret, error;

	if (fd < 0)
		return -1;
	ret = RECORDED(write(fd, text, strlen(text))) == (ssize_t)strlen(text) ? 0 : -1;
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

/* The hexadecimal number at *AT, which is advanced past it. */
uint64_t hex(const char **at)
{
	uint64_t number = 0;

	for (; digit(**at) >= 0; ++*at)
		number = number << 4 | digit(**at);
	return number;
}

uint64_t decimal(const char **at)
{
	uint64_t number = 0;

	for (; **at >= '0' && **at <= '9'; ++*at)
		number = number * 10 + (**at - '0');
	return number;
}

bool starts(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}
