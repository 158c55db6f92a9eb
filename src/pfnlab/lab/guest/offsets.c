/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the kernel keeps page tables: member offsets from its BTF, addresses from kallsyms. Finding them takes 0.4 to 1
 * s in an emulated guest; the hello reports the result, which can be passed back on the command line.
 */
#include <fcntl.h>
#include <linux/btf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

#define TYPES 1000000

struct offsets offsets;

static struct {
	char *data;
	const char *types, *strings;
	uint32_t types_size;
	uint32_t *at;                 /* offset of each type, by id */
	uint32_t count;
} btf;

/* The number of bytes that a type takes in the table. */
static uint32_t type_size(const struct btf_type *t)
{
	uint32_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case 14: /* VAR */
	case 17: /* DECL_TAG */
		return sizeof *t + 4;
	case BTF_KIND_ARRAY:
		return sizeof *t + sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case 15: /* DATASEC */
	case 19: /* ENUM64 */
		return sizeof *t + 12 * n;
	case BTF_KIND_ENUM:
	case 13: /* FUNC_PROTO */
		return sizeof *t + 8 * n;
	default:
		return sizeof *t;
	}
}

static const struct btf_type *type(uint32_t id)
{
	return (const struct btf_type *)(btf.types + btf.at[id < btf.count ? id : 0]);
}

static bool load_btf(void)
{
	struct stat st;
	struct btf_header *header;
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	size_t have = 0;

	if (fd < 0 || fstat(fd, &st))
		return false;
	btf.data = malloc(st.st_size);
	btf.at = malloc(TYPES * sizeof *btf.at);
	while (btf.data && btf.at && have < (size_t)st.st_size) {
		ssize_t n = read(fd, btf.data + have, st.st_size - have);

		if (n <= 0)
			break;
		have += n;
	}
	close(fd);
	if (have < sizeof *header || have < (size_t)st.st_size)
		return false;
	header = (struct btf_header *)btf.data;
	btf.types = btf.data + header->hdr_len + header->type_off;
	btf.types_size = header->type_len;
	btf.strings = btf.data + header->hdr_len + header->str_off;
	btf.at[0] = 0;                /* id 0 is void: it has no entry */
	btf.count = 1;
	for (uint32_t at = 0; at < btf.types_size && btf.count < TYPES; btf.count++) {
		btf.at[btf.count] = at;
		at += type_size((const struct btf_type *)(btf.types + at));
	}
	return true;
}

static const struct btf_type *find_struct(const char *name)
{
	for (uint32_t id = 1; id < btf.count; id++)
		if (BTF_INFO_KIND(type(id)->info) == BTF_KIND_STRUCT && !strcmp(btf.strings + type(id)->name_off, name))
			return type(id);
	return NULL;
}

/* Byte offset of member NAME in T, searching anonymous members too; -1 if there is none. */
static int64_t member(const struct btf_type *t, const char *name)
{
	const struct btf_member *m;

	if (!t)
		return -1;
	while (BTF_INFO_KIND(t->info) >= BTF_KIND_TYPEDEF && BTF_INFO_KIND(t->info) <= BTF_KIND_RESTRICT)
		t = type(t->type);
	if (BTF_INFO_KIND(t->info) != BTF_KIND_STRUCT && BTF_INFO_KIND(t->info) != BTF_KIND_UNION)
		return -1;
	m = (const struct btf_member *)(t + 1);
	for (uint32_t i = 0; i < BTF_INFO_VLEN(t->info); i++, m++) {
		uint32_t bits = BTF_INFO_KFLAG(t->info) ? BTF_MEMBER_BIT_OFFSET(m->offset) : m->offset;

		if (!m->name_off) {
			int64_t inner = member(type(m->type), name);

			if (inner >= 0)
				return bits / 8 + inner;
		} else if (!strcmp(btf.strings + m->name_off, name)) {
			return bits / 8;
		}
	}
	return -1;
}

/* Lines have the form "ADDRESS TYPE NAME". */
static void symbol_line(const char *line)
{
	const char *at = line;
	uint64_t address = hex(&at);

	if (at[0] != ' ' || !at[1] || at[2] != ' ')
		return;
	if (!strcmp(at + 3, "init_task"))
		offsets.init_task = address;
	else if (!strcmp(at + 3, "page_offset_base"))
		offsets.page_offset_base = address;
}

static bool find_symbols(void)
{
	static char text[65536];
	size_t have = 0;
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && !(offsets.init_task && offsets.page_offset_base)) {
		ssize_t n = read(fd, text + have, sizeof text - 1 - have);
		char *line = text, *next;

		if (n <= 0)
			break;
		have += n;
		text[have] = 0;
		for (; (next = strchr(line, '\n')); line = next + 1) {
			*next = 0;
			symbol_line(line);
		}
		have -= line - text;
		memmove(text, line, have);
	}
	if (fd >= 0)
		close(fd);
	return offsets.init_task && offsets.page_offset_base;
}

/* Fill in `offsets`; return NULL, or what is missing. */
const char *offsets_search(void)
{
	const struct btf_type *task, *mm;
	int64_t of_tasks, of_pid, of_mm, of_pgd;

	memset(&offsets, 0, sizeof offsets);
	if (!load_btf())
		return "no BTF of the kernel";
	task = find_struct("task_struct");
	mm = find_struct("mm_struct");
	of_tasks = member(task, "tasks");
	of_pid = member(task, "pid");
	of_mm = member(task, "mm");
	of_pgd = member(mm, "pgd");
	free(btf.data);
	free(btf.at);
	if (of_tasks < 0 || of_pid < 0 || of_mm < 0 || of_pgd < 0)
		return "BTF lacks task_struct or mm_struct members";
	offsets.tasks = of_tasks;
	offsets.pid = of_pid;
	offsets.mm = of_mm;
	offsets.pgd = of_pgd;
	return find_symbols() ? NULL : "kallsyms lacks init_task or page_offset_base";
}

/* The text form: six numbers, joined by commas, in the order of the structure. */
bool offsets_given(const char *text)
{
	uint64_t *to = (uint64_t *)&offsets;

	for (size_t i = 0; i < sizeof offsets / sizeof *to; i++) {
		to[i] = hex(&text);
		if (i + 1 < sizeof offsets / sizeof *to && *text++ != ',')
			return false;
	}
	return true;
}

void offsets_say(void)
{
	const uint64_t *from = (const uint64_t *)&offsets;

	for (size_t i = 0; i < sizeof offsets / sizeof *from; i++) {
		if (i)
			say(",");
		say_hex(from[i]);
	}
}
