/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a guest that runs exported programs: mounts what they need, loads vfio-pci where it is
 * there, runs every file /NUMBER-NAME with a place of its own in the BAR, and ends the guest.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "first_process.h"

#define LOW 0x10000
#define LOW_SIZE 0x70000

/* The boot loader left its own in low memory; a program before this one, too. */
static void clear_low(void)
{
	int file = open("/dev/mem", O_RDWR | O_SYNC);
	void *low = mmap(NULL, LOW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, LOW);

	if (low != MAP_FAILED) {
		memset(low, 0, LOW_SIZE);
		munmap(low, LOW_SIZE);
	}
	close(file);
}

static int numbered(const struct dirent *entry)
{
	return entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
}

/* The module beside a program is there while the program runs: it is loaded from /driver-NUMBER-NAME. */
static bool load_driver(const char *name)
{
	char path[300];
	int file;

	snprintf(path, sizeof(path), "/driver-%s", name);
	file = open(path, O_RDONLY);
	if (file < 0)
		return false;
	if (syscall(SYS_finit_module, file, "", 0))
		perror(path);
	close(file);
	return true;
}

/* NAME-OF-PROGRAM's module is called NAME_OF_PROGRAM_driver. One that stays is a test more, which no golden has. */
static void unload_driver(const char *name)
{
	char module[300], *at;

	snprintf(module, sizeof(module), "%s_driver", strchr(name, '-') + 1);
	for (at = module; *at; at++)
		if (*at == '-')
			*at = '_';
	if (syscall(SYS_delete_module, module, 0))
		printf("not ok 0 - %s is unloaded: %s\n", module, strerror(errno));
}

static void run(const char *name, const char *device, const char *page)
{
	char path[300];
	bool drives = load_driver(name);
	int status = 0;
	pid_t child;

	snprintf(path, sizeof(path), "/%s", name);
	chmod(path, 0755);
	printf("program %s\n", name);
	fflush(stdout);
	child = fork();
	if (!child) {
		alarm(60);
		execl(path, path, device, page, NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	if (drives)
		unload_driver(name);
	printf("ended %s %d\n", name, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
}

/* The device, and how many pages of its BAR each program has. */
int main(int argc, char **argv)
{
	const char *device = getenv("exports_device"), *step = getenv("exports_pages");
	struct dirent **found;
	int count, i;
	char page[32];

	(void)argc;
	(void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mount_all();
	mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	/* Lines of the kernel would come in between. */
	write_text("/proc/sys/kernel/printk", "1 1 1 1");
	write_text("/sys/kernel/mm/transparent_hugepage/enabled", "never");
	load_modules();

	count = scandir("/", &found, numbered, alphasort);
	for (i = 0; i < count; i++) {
		clear_low();
		snprintf(page, sizeof(page), "%ld", i * (step ? strtol(step, NULL, 0) : 0));
		run(found[i]->d_name, device, page);
	}
	printf("exports ended with %d\n", count);
	tcdrain(1);
	reboot(RB_AUTOBOOT);
	return 1;
}
