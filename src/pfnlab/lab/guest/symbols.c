/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The symbols of the kernel, or of one of its modules, as listed in /proc/kallsyms.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

#define CHUNK 65536

/*
 * Report LINE, "ADDRESS TYPE NAME" plus "\t[MODULE]" for a module's symbol, if it belongs to MODULE; NULL is the
 * kernel.
 */
static void say_symbol(const char *line, size_t length, const char *module)
{
	const char *tab = memchr(line, '\t', length);
	const char *name = line + 19;   /* after 16 digits, a blank, the type and a blank */

	if (length < 20 || starts(name, "__pfx_"))
		return;
	if (!module == !tab && (!module || (starts(tab, "\t[") && starts(tab + 2, module) &&
					    tab[2 + strlen(module)] == ']'))) {
		say_bytes(line, (tab ? tab : line + length) - line);
		say("\n");
	}
}

static void say_symbols(const char *module)
{
	static char text[CHUNK + 1];
	size_t have = 0;
	ssize_t n;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, text + have, CHUNK - have)) > 0) {
		char *line = text, *end;

		have += n;
		text[have] = 0;
		while ((end = strchr(line, '\n'))) {
			say_symbol(line, end - line, module);
			line = end + 1;
		}
		have -= line - text;
		memmove(text, line, have);
	}
	if (fd >= 0)
		close(fd);
}

/* TEXT is one line: "symbols" or "symbols MODULE". */
void answer_symbols(char *text)
{
	char *module = strchr(text, ' ');

	text[strcspn(text, "\n")] = 0;
	say_symbols(module ? module + 1 : NULL);
	say("done symbols\n");
}
