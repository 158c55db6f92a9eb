//: answered add_value
#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
/* A word that was moved, or not; FOUND tells what it was. */
static long answered(ssize_t moved, const uint32_t *found)
{
	if (moved == sizeof(*found)) {
		if (found)
			add_value("%u", *found);
		return 0;
	}
	if (moved >= 0)
		errno = EIO;
	return -1;
}

//: mem_read answered
#include <fcntl.h>
#include <unistd.h>
/* Through /proc/self/mem, as a debugger reads. */
static long mem_read(void *at)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), error;
	uint32_t word = 0;
	ssize_t moved = pread(fd, &word, sizeof(word), (off_t)(uintptr_t)at);

	error = errno;
	close(fd);
	errno = error;
	return answered(moved, &word);
}

//: untold values
/* A value that is the machine's own affair. */
static long untold(long ret)
{
	if (ret >= 0)
		value[0] = 0;
	return ret;
}

//: mem_write answered
#include <fcntl.h>
#include <unistd.h>
static long mem_write(void *at, uint32_t word)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), error;
	ssize_t moved = pwrite(fd, &word, sizeof(word), (off_t)(uintptr_t)at);

	error = errno;
	close(fd);
	errno = error;
	return answered(moved, NULL);
}

//: read_through
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>
/* The process' own memory, as another process would read it. */
static long read_through(void *at)
{
	uint64_t word;
	struct iovec local = { &word, sizeof(word) }, remote = { at, sizeof(word) };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 ? -1 : 0;
}

//: write_through answered
#include <sys/uio.h>
#include <unistd.h>
static long write_through(void *at, uint32_t word)
{
	struct iovec local = { &word, sizeof(word) }, remote = { at, sizeof(word) };

	return answered(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), NULL);
}

//: through_pipe answered
#include <fcntl.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>
/* Into a pipe, by copy or by reference, and out of it again. */
static long through_pipe(void *at, bool by_reference)
{
	struct iovec iov = { at, sizeof(uint32_t) };
	uint32_t word = 0;
	ssize_t moved;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	moved = by_reference ? vmsplice(ends[1], &iov, 1, 0) : write(ends[1], iov.iov_base, iov.iov_len);
	if (moved == sizeof(word))
		moved = read(ends[0], &word, sizeof(word));
	error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return answered(moved, &word);
}

//: wake add_value
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>
static long wake(void *at)
{
	long woken = syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);

	if (woken >= 0)
		add_value("%ld", woken);
	return woken < 0 ? -1 : 0;
}

//: move_pages add_value
#include <errno.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Where each page is, or what becomes of it where it is to go to node 0. */
static long move_pages(char *at, uint64_t pages, bool to_node0)
{
	static void *page[1024];
	static int status[1024], target[1024];
	uint64_t i;

	for (i = 0; i < pages; i++) {
		page[i] = at + i * PAGE;
		status[i] = -1;
	}
	if (syscall(SYS_move_pages, 0, pages, page, to_node0 ? target : NULL, status, to_node0 ? MPOL_MF_MOVE : 0))
		return -1;
	for (i = 0; i < pages; i++) {
		add_value("%s", i ? " " : "");
		if (status[i] >= 0)
			add_value("node%d", status[i]);
		else
			add_value("%s", errno_name(-status[i]));
	}
	return 0;
}

//: pagemap add_value
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
/* The bits of /proc/self/pagemap that say what a page is. */
static long pagemap(char *at, uint64_t pages)
{
	static const struct { int bit; const char *name; } bits[] = {
		{ 63, "present" }, { 62, "swapped" }, { 61, "file" }, { 58, "guard" }, { 57, "uffd-wp" },
		{ 56, "exclusive" }, { 55, "soft-dirty" },
	};
	static uint64_t entry[1024];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error;
	ssize_t got = pread(fd, entry, pages * sizeof(*entry), (off_t)((uintptr_t)at / PAGE * sizeof(*entry)));
	uint64_t i;
	size_t k;

	error = errno;
	close(fd);
	errno = got < 0 ? error : EIO;
	if (got != (ssize_t)(pages * sizeof(*entry)))
		return -1;
	for (i = 0; i < pages; i++) {
		const char *between = "";

		add_value("%s", i ? " " : "");
		for (k = 0; k < sizeof(bits) / sizeof(*bits); k++) {
			if (entry[i] >> bits[k].bit & 1) {
				add_value("%s%s", between, bits[k].name);
				between = "+";
			}
		}
		add_value("%s", *between ? "" : "-");
	}
	return 0;
}

//: pagemap_scan add_value named_range
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* struct pm_scan_arg and struct page_region, which headers before 6.7 have not. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

/* Regions of pages of any category; kernels before 6.15 have none for guard regions. */
static long pagemap_scan(char *at, uint64_t pages)
{
	static const struct { int bit; const char *name; } bits[] = {
		{ 3, "present" }, { 4, "swapped" }, { 2, "file" }, { 8, "guard" }, { 1, "written" },
		{ 5, "pfnzero" }, { 6, "huge" }, { 7, "soft-dirty" },
	};
	static struct { uint64_t start, end, categories; } region[1024];
	struct scan_arg arg = {
		.size = sizeof(arg), .start = (uintptr_t)at, .end = (uintptr_t)at + pages * PAGE,
		.vec = (uintptr_t)region, .vec_len = 1024, .category_anyof_mask = 0x1fe, .return_mask = 0x1fe,
	};
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), error;
	long found, i;
	size_t k;

	found = ioctl(fd, _IOWR('f', 16, struct scan_arg), &arg);
	if (found < 0 && errno == EINVAL) {
		arg.category_anyof_mask = arg.return_mask = 0xfe;
		found = ioctl(fd, _IOWR('f', 16, struct scan_arg), &arg);
	}
	error = errno;
	close(fd);
	errno = error;
	for (i = 0; i < found; i++) {
		const char *between = " ";

		add_value("%s", i ? "; " : "");
		named_range((char *)(uintptr_t)region[i].start, (region[i].end - region[i].start) / PAGE);
		for (k = 0; k < sizeof(bits) / sizeof(*bits); k++) {
			if (region[i].categories >> bits[k].bit & 1) {
				add_value("%s%s", between, bits[k].name);
				between = "+";
			}
		}
	}
	return found < 0 ? -1 : 0;
}

//: numa_maps add_value named_range
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The counts of /proc/self/numa_maps for VMAs that begin in the range. */
static long numa_maps(char *at, uint64_t pages)
{
	FILE *file = fopen("/proc/self/numa_maps", "re");
	char line[4096], *rest, *word;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		char *start = (char *)strtoul(line, NULL, 16);
		bool said = false;

		if (start < at || start >= at + pages * PAGE)
			continue;
		strtok_r(line, " \n", &rest);
		while ((word = strtok_r(NULL, " \n", &rest))) {
			if (!strchr(word, '=') || !strncmp(word, "file=", 5) || !strncmp(word, "active=", 7) ||
			    !strncmp(word, "kernelpagesize", 14) || !strncmp(word, "swapcache=", 10))
				continue;
			if (!said) {
				add_value("%s", *value ? "; " : "");
				named_range(start, 0);
			}
			said = true;
			add_value(" %s", word);
		}
	}
	return fclose(file);
}

//: named_range add_value
#include <stdint.h>
/* An address as "a[0]", or with a number of pages as "a[0:4]". */
static void named_range(const char *at, long pages)
{
	size_t i;

	for (i = 0; i < sizeof(areas) / sizeof(*areas); i++) {
		long page = (at - areas[i].at) / PAGE;

		if (at < areas[i].at || page >= areas[i].pages)
			continue;
		add_value("%s[%ld", areas[i].name, page);
		if (pages)
			add_value(":%ld", page + pages);
		add_value("]");
		return;
	}
	add_value("%p", (const void *)at);
}

//: smaps add_value named_range
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
/* Rss of every VMA that meets the range; the file is read to its end, so the kernel walks all of them. */
static long smaps(char *at, uint64_t pages)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end, rss;
	bool meets = false;
	char line[4096];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			meets = start < (uintptr_t)at + pages * PAGE && (uintptr_t)at < end;
			if (meets) {
				add_value("%s", *value ? "; " : "");
				named_range((char *)start, (end - start) / PAGE);
			}
		} else if (meets && sscanf(line, "Rss: %lu", &rss) == 1) {
			add_value(" Rss=%lu", rss);
		}
	}
	return fclose(file);
}

//: add_fields
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
/* Rss and Anonymous of a file of the task, in all; of VMAs that meet the range nothing is added. */
static long add_fields(const char *path, const char *at, uint64_t pages, unsigned long sum[2])
{
	FILE *file = fopen(path, "re");
	unsigned long start, end, number;
	bool counts = true;
	char line[4096];

	sum[0] = sum[1] = 0;
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			counts = !pages || start >= (uintptr_t)at + pages * PAGE || (uintptr_t)at >= end;
		else if (counts && sscanf(line, "Rss: %lu", &number) == 1)
			sum[0] += number;
		else if (counts && sscanf(line, "Anonymous: %lu", &number) == 1)
			sum[1] += number;
	}
	return fclose(file);
}

//: smaps_rollup add_value add_fields
#include <errno.h>
#include <stdint.h>
#include <string.h>
/* What the VMAs that meet the range add to smaps_rollup; smaps has what the others do, once the program's own memory is still. */
static long smaps_rollup(const char *at, uint64_t pages)
{
	static const char rollup[] = "/proc/self/smaps_rollup";
	unsigned long before[2], others[2], whole[2];
	int tries = 8;

	if (add_fields(rollup, at, 0, whole))
		return -1;
	do {
		memcpy(before, whole, sizeof(before));
		if (add_fields("/proc/self/smaps", at, pages, others) || add_fields(rollup, at, 0, whole))
			return -1;
	} while (memcmp(before, whole, sizeof(before)) && --tries);
	if (!tries) {
		errno = EAGAIN;
		return -1;
	}
	add_value("Rss=%lu Anonymous=%lu", whole[0] - others[0], whole[1] - others[1]);
	return 0;
}

//: register_faults
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
/* userfaultfd for pages that are missing, closed at once. */
static long register_faults(void *at, uint64_t pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)at, .len = pages * PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range) ? -1 : 0;
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

//: clear_refs
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
/* The digit NUMBER, written to the task's own clear_refs. */
static long clear_refs(int number)
{
	char digit = '0' + number;
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC), error;
	long ret;

	if (fd < 0)
		return -1;
	ret = write(fd, &digit, 1) == 1 ? 0 : -1;
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

//: locked_memory add_value read_text
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
/* VmLck and VmPin of /proc/self/status in kB; N after mlockall, which locks the program's own memory too. */
static long locked_memory(bool all_locked)
{
	char text[8192];
	unsigned long locked = 0, pinned = 0;
	const char *at;

	read_text("/proc/self/status", text, sizeof(text));
	at = strstr(text, "\nVmLck:");
	if (!at || sscanf(at, " VmLck: %lu", &locked) != 1)
		return -1;
	at = strstr(text, "\nVmPin:");
	if (!at || sscanf(at, " VmPin: %lu", &pinned) != 1)
		return -1;
	if (all_locked)
		add_value("VmLck=N VmPin=%lu", pinned);
	else
		add_value("VmLck=%lu VmPin=%lu", locked, pinned);
	return 0;
}

//: set_limit read_text
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
/* ROOM pages more than the process has by the line USE of /proc/self/status, or any number. */
static long set_limit(int resource, const char *use, uint64_t room)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	char text[8192];
	const char *at;

	read_text("/proc/self/status", text, sizeof(text));
	at = strstr(text, use);
	if (!at) {
		errno = EIO;
		return -1;
	}
	if (room != UINT64_MAX)
		limit.rlim_cur = strtoull(at + strlen(use), NULL, 10) * 1024 + room * PAGE;
	return setrlimit(resource, &limit);
}

//: move_bytes add_value
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>
enum way { MEM_READ, MEM_WRITE, PROCESS_VM_READV, PROCESS_VM_WRITEV };

static size_t run_of(const uint8_t *byte, size_t count, uint8_t by)
{
	size_t length = 1;

	while (length < count && byte[length] == (uint8_t)(byte[length - 1] + by))
		length++;
	return length;
}

/* How many bytes were moved, and those read: equal ones as "00*4", those that ascend as "07+8". Written ones ascend. */
static long move_bytes(enum way way, char *at, size_t length, uint8_t first, bool tells)
{
	static uint8_t byte[16384];
	bool reads = way == MEM_READ || way == PROCESS_VM_READV, mem = way == MEM_READ || way == MEM_WRITE;
	struct iovec local = { byte, length }, remote = { at, length };
	int fd = mem ? open("/proc/self/mem", O_RDWR | O_CLOEXEC) : -1, error;
	ssize_t moved;
	size_t i, run;

	for (i = 0; i < sizeof(byte); i++)
		byte[i] = reads ? 0 : first + i;
	if (mem)
		moved = reads ? pread(fd, byte, length, (off_t)(uintptr_t)at) :
				pwrite(fd, byte, length, (off_t)(uintptr_t)at);
	else
		moved = (reads ? process_vm_readv : process_vm_writev)(getpid(), &local, 1, &remote, 1, 0);
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	if (moved < 0)
		return -1;
	add_value("%zd byte%s%s", moved, moved == 1 ? "" : "s", reads && tells ? ":" : "");
	for (i = 0; reads && tells && i < (size_t)moved; i += run) {
		size_t equal = run_of(byte + i, moved - i, 0), rising = run_of(byte + i, moved - i, 1);

		run = rising > equal ? rising : equal;
		if (run > 1)
			add_value(" %02x%c%zu", byte[i], rising > equal ? '+' : '*', run);
		else
			add_value(" %02x", byte[i]);
	}
	return 0;
}
