//: find_bar skip reserved read_text write_text
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define PCI_DEVICES "/sys/bus/pci/devices/"
#define MEMORY_RESOURCE 0x200
#define PREFETCHABLE 0x2000

/* Room for the program in a BAR: from PAGE_OF_BAR on, where nothing is reserved. */
static bool find_room(uint64_t start, uint64_t pages, uint64_t page_of_bar)
{
	uint64_t page = AT_END ? pages - BAR_PAGES : page_of_bar;

	for (; page + BAR_PAGES <= pages; page += ROOM_STEP) {
		if (!reserved(start + page * PAGE, start + (page + BAR_PAGES) * PAGE)) {
			here.bar_start = start;
			here.room = page * PAGE;
			return true;
		}
		if (AT_END || !ROOM_STEP)
			break;
	}
	return false;
}

/* A BAR of the device ADDRESS that is large enough, or only the one called INDEX. */
static bool find_bar_of(const char *address, int index, uint64_t page_of_bar)
{
	char path[PATH_MAX], text[1024], *line, *rest;
	uint64_t start, last, flags;
	int i = 0;

	snprintf(path, sizeof(path), PCI_DEVICES "%s/resource", address);
	read_text(path, text, sizeof(text));
	for (line = strtok_r(text, "\n", &rest); line && i < 6; line = strtok_r(NULL, "\n", &rest), i++) {
		if (sscanf(line, "%lx %lx %lx", &start, &last, &flags) != 3 || !(flags & MEMORY_RESOURCE))
			continue;
		if ((index >= 0 && index != i) || (WANTS_PREFETCHABLE && !(flags & PREFETCHABLE)))
			continue;
		if (start && last - start + 1 >= BAR_PAGES * PAGE &&
		    find_room(start, (last - start + 1) / PAGE, page_of_bar)) {
			snprintf(here.address, sizeof(here.address), "%s", address);
			here.index = i;
			return true;
		}
	}
	return false;
}

/* The first device without a driver, unless one is named: by its address, or by the path of a resource file. */
static void find_bar(const char *named, uint64_t page_of_bar)
{
	char address[64] = "", path[PATH_MAX];
	struct dirent **found;
	int count, i, index = -1;

	if (named && sscanf(named, PCI_DEVICES "%63[^/]/resource%d", address, &index) < 1)
		snprintf(address, sizeof(address), "%s", named);
	if (named) {
		if (!find_bar_of(address, index, page_of_bar))
			skip("the named device has no such BAR, or it is too small or in use");
	} else {
		count = scandir(PCI_DEVICES, &found, NULL, alphasort);
		for (i = 0; i < count && !here.address[0]; i++) {
			snprintf(path, sizeof(path), PCI_DEVICES "%s/driver", found[i]->d_name);
			if (found[i]->d_name[0] != '.' && access(path, F_OK))
				find_bar_of(found[i]->d_name, -1, page_of_bar);
		}
		if (!here.address[0])
			skip("no PCI device without a driver has a BAR that is large enough: name one");
	}
	/* Its memory answers only where somebody has enabled it. */
	snprintf(path, sizeof(path), PCI_DEVICES "%s/enable", here.address);
	read_text(path, address, sizeof(address));
	if (address[0] == '0')
		write_text(path, "1");
}

//: open_bar
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
/* The resource file of the BAR; its offsets count from the begin of the BAR. */
static int open_bar(const char *ending)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d%s", here.address, here.index, ending);
	return open(path, O_RDWR | O_CLOEXEC);
}

//: open_proc
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/pci.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
/* The old way to a BAR, by /proc; its offsets are physical addresses. */
static int open_proc(bool combines)
{
	char path[PATH_MAX], bus[16] = "";
	int fd, error;

	/* "0000:00:02.0" is 00/02.0; a bus of another domain has the domain before it. */
	snprintf(bus, sizeof(bus), "%.7s", strncmp(here.address, "0000:", 5) ? here.address : "");
	snprintf(path, sizeof(path), "/proc/bus/pci/%s%.2s/%s", bus, here.address + 5, here.address + 8);
	if (bus[0])
		snprintf(path, sizeof(path), "/proc/bus/pci/%s/%s", bus, here.address + 8);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && (ioctl(fd, PCIIOC_MMAP_IS_MEM, 0) || ioctl(fd, PCIIOC_WRITE_COMBINE, combines))) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

//: find_lowmem skip reserved
#include <stdint.h>
#include <stdio.h>
/* Memory below 512 KiB that the kernel leaves alone, and that is not reserved. */
static uint64_t find_lowmem(void)
{
	uint64_t at;

	for (at = 0x10000; at + LOWMEM_PAGES * PAGE <= 0x80000; at += 8 * PAGE)
		if (!reserved(at, at + LOWMEM_PAGES * PAGE))
			return at;
	skip("there is no memory below 512 KiB that is free");
}

//: end_of_physical skip
#include <cpuid.h>
#include <stdint.h>
/* The end of physical addresses, as the processor says. */
static uint64_t end_of_physical(void)
{
	unsigned int sizes = 0, other;

	if (!__get_cpuid(0x80000008, &sizes, &other, &other, &other))
		skip("the processor does not say how wide a physical address is");
	return 1UL << (sizes & 0xff);
}

//: blank
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
/* Values that are read are those of memory that is zero at first: the begin of every page is looked at. */
static bool blank(int fd, uint64_t offset, uint64_t pages)
{
	const volatile uint32_t *word;
	bool zero = true;
	uint64_t page;

	if (pages > 1024)
		pages = 1024;
	word = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, offset);
	for (page = 0; word != MAP_FAILED && page < pages; page++)
		zero &= !word[page * PAGE / sizeof(*word)];
	if (word != MAP_FAILED)
		munmap((void *)word, pages * PAGE);
	if (fd >= 0)
		close(fd);
	if (!zero)
		printf("# the memory is not zero at first, so values that are read may be others\n");
	return zero;
}

//: remove_device write_text
#include <limits.h>
#include <stdio.h>
/* The kernel forgets the device. */
static long remove_device(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", here.address);
	return write_text(path, "1");
}

//: rescan write_text read_text
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
/* Where the BAR of the device begins now; 0 where there is none. */
static uint64_t start_of_bar(void)
{
	char path[PATH_MAX], text[1024], *line = text;
	uint64_t start = 0;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", here.address);
	read_text(path, text, sizeof(text));
	for (i = 0; line && i < here.index; i++) {
		line = strchr(line, '\n');
		line += !!line;
	}
	return line && sscanf(line, "%lx", &start) == 1 ? start : 0;
}

/* The kernel looks for devices again; the one that comes back is enabled, and has to be where it was. */
static long rescan(void)
{
	char path[PATH_MAX], text[16];
	long ret = write_text("/sys/bus/pci/rescan", "1");

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/enable", here.address);
	read_text(path, text, sizeof(text));
	if (!ret && text[0] == '0')
		ret = write_text(path, "1");
	if (!ret && start_of_bar() != here.bar_start) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	return ret;
}
