//: values
/* What a call found, beside its result. */
static char value[VALUE_SIZE];

//: add_value values
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
static void __attribute__((format(printf, 1, 2))) add_value(const char *format, ...)
{
	size_t used = strlen(value);
	va_list args;

	va_start(args, format);
	vsnprintf(value + used, sizeof(value) - used, format, args);
	va_end(args);
}

//: errno_name
#include <errno.h>
#include <stdio.h>
static const char *errno_name(int error)
{
	static const struct { int error; const char *name; } names[] = {
		{ EPERM, "EPERM" }, { ENOENT, "ENOENT" }, { ESRCH, "ESRCH" }, { EINTR, "EINTR" }, { EIO, "EIO" },
		{ ENXIO, "ENXIO" }, { E2BIG, "E2BIG" }, { EBADF, "EBADF" }, { EAGAIN, "EAGAIN" },
		{ ECHILD, "ECHILD" },
		{ ENOMEM, "ENOMEM" }, { EACCES, "EACCES" }, { EFAULT, "EFAULT" }, { EBUSY, "EBUSY" },
		{ EEXIST, "EEXIST" }, { ENODEV, "ENODEV" }, { ENOTTY, "ENOTTY" }, { EINVAL, "EINVAL" },
		{ EFBIG, "EFBIG" },
		{ ENOSPC, "ENOSPC" }, { ENOSYS, "ENOSYS" }, { EOVERFLOW, "EOVERFLOW" },
		{ EOPNOTSUPP, "EOPNOTSUPP" }, { EADDRNOTAVAIL, "EADDRNOTAVAIL" }, { ETIMEDOUT, "ETIMEDOUT" },
	};
	static char other[16];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].error == error)
			return names[i].name;
	snprintf(other, sizeof(other), "E%d", error);
	return other;
}

//: check
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
static int tests, failures;

/* One test: what was seen, and what is expected; NULL where nothing is known beforehand. */
static void check(const char *text, const char *expected, const char *seen)
{
	bool good = !expected || !strcmp(expected, seen);

	failures += !good;
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++tests, text, seen);
	if (!good)
		printf("# expected: %s\n", expected);
}

//: step values errno_name check
#include <stdio.h>
/* One operation of the program, which has returned RET; as a system call it says why it failed in errno. */
static void step(const char *text, const char *expected, long ret)
{
	static char seen[VALUE_SIZE + 16];

	snprintf(seen, sizeof(seen), "%s%s%s", ret < 0 ? errno_name(errno) : "ok", *value ? " " : "", value);
	value[0] = 0;
	check(text, expected, seen);
}

//: skip
#include <stdio.h>
#include <stdlib.h>
/* Nothing can be said on this machine. */
static void __attribute__((noreturn)) skip(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	exit(4);
}

//: give_up
#include <stdio.h>
#include <stdlib.h>
/* The rest of the tests cannot be done. */
static void __attribute__((noreturn)) give_up(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

//: write_text
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error;
	ssize_t done;

	if (fd < 0)
		return -1;
	done = write(fd, text, strlen(text));
	error = errno;
	close(fd);
	errno = error;
	return done == (ssize_t)strlen(text) ? 0 : -1;
}

//: read_text
#include <stdio.h>
#include <string.h>
/* The begin of a file; empty where it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t got = file ? fread(text, 1, size - 1, file) : 0;

	text[got] = 0;
	if (file)
		fclose(file);
}

//: memtype_list
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define MEMTYPE_LIST "/sys/kernel/debug/x86/pat_memtype_list"

struct entry {
	uint64_t start, end;
	char mode[24];
};

/* The next entry of the memtype list, as "PAT: [mem 0x...-0x...] write-combining". */
static bool next_entry(FILE *list, struct entry *entry)
{
	char line[256];

	while (fgets(line, sizeof(line), list))
		if (sscanf(line, "PAT: [mem 0x%lx-0x%lx%*c %23s", &entry->start, &entry->end, entry->mode) == 3)
			return true;
	return false;
}

//: reserved memtype_list
static bool reserved(uint64_t start, uint64_t end)
{
	FILE *list = fopen(MEMTYPE_LIST, "re");
	struct entry entry;
	bool found = false;

	while (list && !found && next_entry(list, &entry))
		found = entry.start < end && start < entry.end;
	if (list)
		fclose(list);
	return found;
}

//: left memtype_list check skip
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static const char *short_mode(const char *mode)
{
	static const struct { const char *mode, *name; } names[] = {
		{ "write-back", "wb" }, { "write-combining", "wc" }, { "uncached-minus", "uc-" },
		{ "uncached", "uc" }, { "write-through", "wt" }, { "write-protected", "wp" },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(mode, names[i].mode))
			return names[i].name;
	return mode;
}

/* The entries of the memtype list that nobody has any more, device by device, as "bar[0:8] wc". */
static const char *left(void)
{
	static char text[4096];
	struct entry entry;
	size_t i, used = 0;

	for (i = 0; i < DEVICES; i++) {
		const struct device *device = &here.device[i];
		FILE *list = fopen(MEMTYPE_LIST, "re");

		if (!list)
			skip("there is no " MEMTYPE_LIST ": mount debugfs, as root, on x86 with PAT");
		while (next_entry(list, &entry)) {
			if (entry.start >= device->at + device->pages * PAGE || entry.end <= device->at)
				continue;
			used += snprintf(text + used, sizeof(text) - used, "%s%s[%ld:%ld] %s", used ? ", " : "",
					 device->name, (long)(entry.start - device->at) / PAGE,
					 (long)(entry.end - device->at) / PAGE, short_mode(entry.mode));
			if (used >= sizeof(text))
				break;
		}
		fclose(list);
	}
	return used ? text : "nothing";
}

//: leak_of_release
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
/* What this kernel leaves, by its version; NULL where nobody has said, or where the version is not known. */
static const char *leak_of_release(void)
{
	struct utsname name;
	int major, minor, point = 0;
	const char *debian;
	long version;
	size_t i;

	if (uname(&name))
		return NULL;
	/* Debian's release says 6.1.0, and the version of its source stands elsewhere. */
	debian = strstr(name.version, "Debian ");
	if ((!debian || sscanf(debian, "Debian %d.%d.%d", &major, &minor, &point) != 3) &&
	    sscanf(name.release, "%d.%d.%d", &major, &minor, &point) < 2)
		return NULL;
	version = major * 1000000L + minor * 1000L + point;
	for (i = 0; i < sizeof(leaks) / sizeof(*leaks); i++) {
		if (version >= leaks[i].first && version <= leaks[i].last)
			return leaks[i].left;
		/* What calls itself 6.12.0 may be any of the series. */
		if (!point && leaks[i].first % 1000 && leaks[i].first / 1000 == version / 1000)
			return NULL;
	}
	return NULL;
}

//: tell_known leak_of_release
#include <stdio.h>
#include <string.h>
/* A fault that this kernel is known to have is said to be known; it fails the test all the same. */
static void tell_known(const char *right, const char *seen)
{
	const char *known = leak_of_release();

	if (known && strcmp(right, seen) && !strcmp(known, seen))
		printf("# known: kernels of this version leave it\n");
}

//: check_ksft
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
static int failures;

/* One test: what was seen, and what is expected; NULL where nothing is known beforehand. */
static void check(const char *text, const char *expected, const char *seen)
{
	bool good = !expected || !strcmp(expected, seen);

	failures += !good;
	ksft_test_result(good, "%s: %s\n", text, seen);
	if (!good)
		ksft_print_msg("expected: %s\n", expected);
}

//: skip_ksft
/* Nothing can be said on this machine. */
static void __attribute__((noreturn)) skip(const char *why)
{
	ksft_exit_skip("%s\n", why);
}

//: give_up_ksft
/* The rest of the tests cannot be done. */
static void __attribute__((noreturn)) give_up(const char *why)
{
	ksft_exit_fail_msg("%s\n", why);
}
