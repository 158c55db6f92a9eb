/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest agent, process 1: it mounts what it needs, says hello, then answers one request after another.
 */
#define _GNU_SOURCE             /* CPU sets */
#include <cpuid.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

#define CLOCK_LIMIT_MS 5000

/* Process 1 ends, the kernel panics, QEMU exits, and the host shows this line. */
void give_up(const char *what)
{
	char line[256] = "pfnlab agent: ";

	strncat(line, what, sizeof line - 32);
	strcat(line, "\n");
	if (write(2, line, strlen(line)) < 0)
		_exit(2);
	_exit(1);
}

static void mount_all(void)
{
	static const struct { const char *at, *type; } all[] = {
		{ "/proc", "proc" }, { "/sys", "sysfs" }, { "/dev", "devtmpfs" },
		{ "/sys/kernel/debug", "debugfs" },
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		mkdir(all[i].at, 0755);
		if (mount(all[i].type, all[i].at, all[i].type, 0, NULL))
			give_up(all[i].at);
	}
}

/* Every message counts; none may be dropped. */
static void log_everything(void)
{
	write_text("/proc/sys/kernel/printk_ratelimit", "0");
	write_text("/proc/sys/kernel/printk_devkmsg", "on");
	write_text("/proc/sys/kernel/kptr_restrict", "0");
}

/* Stay on the last CPU, out of the way of tasks that are pinned to others and stopped there. */
static void step_aside(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t last;

	if (cpus < 2)
		return;
	CPU_ZERO(&last);
	CPU_SET(cpus - 1, &last);
	sched_setaffinity(0, sizeof last, &last);
}

/*
 * About a second after finding its devices, the kernel switches to the calibrated clock and stops all CPUs to do so. If
 * the host held one of them, that would last for ever.
 */
static void await_clock(void)
{
	char now[32];

	for (int i = 0; i < CLOCK_LIMIT_MS / 10; i++) {
		read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", now, sizeof now);
		if (!starts(now, "tsc-early"))
			return;
		usleep(10000);
	}
}

static void say_file_line(const char *path)
{
	char text[256];

	read_text(path, text, sizeof text);
	text[strcspn(text, "\n")] = 0;
	say(text);
}

static void say_bar(void)
{
	struct range bar;

	if (!slot_bar(&bar))
		give_up("no device under test");
	say("bar ");
	say_hex(bar.start);
	say(" ");
	say_hex((bar.end - bar.start) >> PAGE_SHIFT);
	say("\n");
}

/*
 * From /proc/iomem: the first "START-LAST : System RAM" if it begins below 1 MiB, else an empty range; and the end of
 * the last "Adapter ROM", else 0.
 */
static void say_memory_map(void)
{
	static char text[16384];
	uint64_t start = 0, end = 0, rom_end = 0;
	const char *at;

	read_text("/proc/iomem", text, sizeof text);
	for (at = text; *at; at++) {
		uint64_t from = hex(&at), to;

		if (*at++ != '-')
			break;
		to = hex(&at) + 1;
		if (!end && from < 1 << 20 && starts(at, " : System RAM")) {
			start = from;
			end = to;
		}
		if (starts(at, " : Adapter ROM"))
			rom_end = to;
		at = strchr(at, '\n');
		if (!at)
			break;
		at += strspn(at, "\n ") - 1;
	}
	say("lowmem ");
	say_hex(start);
	say(" ");
	say_hex(end);
	say("\nroms ");
	say_hex(rom_end);
	say("\n");
}

/* The width of a physical address in bits, which CPUID returns in the lowest byte. */
static void say_physical(void)
{
	unsigned int sizes = 0, other;

	if (!__get_cpuid(0x80000008, &sizes, &other, &other, &other))
		give_up("the processor does not say how wide a physical address is");
	say("physical ");
	say_decimal(sizes & 0xff);
	say("\n");
}

/*
 * Map RAM below 1 MiB as it is, write-back. The mapping is reserved and freed as a whole, so nothing of it stays. But
 * first the kernel flushes what it has unmapped itself, because it checks whether the direct map has to change. If a
 * program left an entry with another mode there, this mapping would take that mode, and so would the direct map of
 * everything mapped. CLEAR: zero low memory, so that it starts like a BAR; the boot loader left data there.
 */
void map_low(unsigned long start, unsigned long end, bool clear)
{
	size_t size = end - start;
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	void *low;

	if (fd < 0)
		return;
	low = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	if (low != MAP_FAILED) {
		if (clear)
			memset(low, 0, size);
		munmap(low, size);
	}
	close(fd);
}

/*
 * The guest's description of itself: its first reply, also sent at the end of the reply to probes, so that the last
 * reply of a saved guest has it.
 */
void say_hello(void)
{
	say("hello ");
	say_file_line("/proc/sys/kernel/osrelease");
	say("\n");
	say_bar();
	say_memory_map();
	say_physical();
	say("levels ");
	say_decimal(ptes_levels);
	say("\nptes ");
	say(ptes_state);
	say("\noffsets ");
	offsets_say();
	say(order_armed() ? "\norder ok" : "\norder no probes");
	say("\nend\n");
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--actor"))
		actor(atoi(argv[2]), argv[3], true);
	if (argc == 5 && !strcmp(argv[1], "--map"))
		map_and_stay(argv[2], argv[3], argv[4]);
	signal(SIGCHLD, SIG_IGN);     /* nobody leaves zombies */
	prctl(PR_SET_TIMERSLACK, 1);
	mount_all();
	log_everything();
	step_aside();
	channel_open();
	slot_open();
	tasks_open();
	observe_open();
	ptes_open();
	map_low(LOWMEM_START, LOWMEM_END, true);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
		await_clock();
		keep_event();
	}
	/* Now, so that a saved machine has them; a program that needs one that is missing is told why. */
	driver_load();
	vfio_bind();
	say_hello();
	observe_log(false);
	for (;;) {
		channel_reply();
		if (!program_open())
			task_prepare();
		run_request(channel_request());
	}
}
