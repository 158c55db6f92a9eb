//: map
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* mmap() of a file that was opened for it, or could not be. */
static long map(int fd, void *at, uint64_t pages, int prot, int flags, uint64_t offset)
{
	void *mapped;
	int error;

	if (fd < 0)
		return -1;
	mapped = mmap(at, pages * PAGE, prot, flags, fd, offset);
	error = errno;
	close(fd);
	errno = error;
	return mapped == MAP_FAILED ? -1 : 0;
}

//: map_anonymous
#include <stdint.h>
#include <sys/mman.h>
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static long map_anonymous(void *at, uint64_t pages, int prot, int flags)
{
	return mmap(at, pages * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

//: move add_value
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/* The raw call: the library's wrapper would drop the new address without MREMAP_FIXED. */
static long move(void *at, uint64_t pages, uint64_t new_pages, int flags, void *to)
{
	long moved = syscall(SYS_mremap, at, pages * PAGE, new_pages * PAGE, flags, to);

	if (moved == -1)
		return -1;
	add_value("%s", (void *)moved == at ? "same" : "moved");
	return 0;
}

//: move_vvar move
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the pages of the clock, from where the kernel put them. Once moved, nothing is said to be there. */
static long move_vvar(uint64_t first, uint64_t pages, uint64_t new_pages, int flags, void *to)
{
	static bool moved;
	FILE *maps = moved ? NULL : fopen("/proc/self/maps", "r");
	char line[512], *at = NULL;

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vvar]"))
			at = (char *)strtoul(line, NULL, 16);
	if (maps)
		fclose(maps);
	if (move(at + first * PAGE, pages, new_pages, flags, to))
		return -1;
	moved = true;
	return 0;
}

//: faults add_value caught
#include <errno.h>
#include <signal.h>
static long faulted(int signo)
{
	add_value("%s code=%d", signo == SIGBUS ? "SIGBUS" : "SIGSEGV", (int)fault_code);
	errno = EFAULT;
	return -1;
}

//: load faults add_value
#include <stdint.h>
static long load(const void *at)
{
	int signo = sigsetjmp(fault, 0);

	if (signo)
		return faulted(signo);
	add_value("%u", *(const volatile uint32_t *)at);
	return 0;
}

//: load_only faults values
#include <stdint.h>
/* A load whose value is the machine's own affair. */
static long load_only(const void *at)
{
	int signo = sigsetjmp(fault, 0);

	if (signo)
		return faulted(signo);
	(void)*(const volatile uint32_t *)at;
	return 0;
}

//: store faults values
#include <stdint.h>
static long store(void *at, uint32_t word)
{
	int signo = sigsetjmp(fault, 0);

	if (signo)
		return faulted(signo);
	*(volatile uint32_t *)at = word;
	return 0;
}

//: seal
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static long seal(void *at, uint64_t pages)
{
	return syscall(SYS_mseal, at, pages * PAGE, 0);
}

//: remap_pages
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* remap_file_pages(): OFFSET is in bytes, as that of mmap(). */
static long remap_pages(void *at, uint64_t pages, uint64_t offset)
{
	return syscall(SYS_remap_file_pages, at, pages * PAGE, 0, offset / PAGE, 0);
}

//: in_core add_value
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
/* A digit a page. At a hole the call fails, and has told the pages before. */
static long in_core(void *at, uint64_t pages)
{
	static unsigned char core[1024];
	long ret;
	uint64_t i;
	int error;

	memset(core, 0, sizeof(core));
	ret = mincore(at, pages * PAGE, core);
	error = errno;
	for (i = 0; i < pages; i++)
		add_value("%d", core[i] & 1);
	errno = error;
	return ret;
}

//: read_memtypes memtype_list
#include <stdio.h>
/* The memtype list to its end, and nothing of it is kept. */
static long read_memtypes(void)
{
	FILE *list = fopen(MEMTYPE_LIST, "re");
	struct entry entry;

	if (!list)
		return -1;
	while (next_entry(list, &entry))
		;
	return fclose(list);
}

//: set_thp write_text read_text
#include <stdio.h>
#include <string.h>
#define THP "/sys/kernel/mm/transparent_hugepage/enabled"

static char thp_before[16];

static void restore_thp(void)
{
	write_text(THP, thp_before);
}

/* The machine's setting while the program runs, as "always [madvise] never" says the one before. */
static void set_thp(const char *setting)
{
	char text[64], *chosen;

	read_text(THP, text, sizeof(text));
	chosen = strchr(text, '[');
	if (chosen)
		sscanf(chosen, "[%15[^]]", thp_before);
	write_text(THP, setting);
}
