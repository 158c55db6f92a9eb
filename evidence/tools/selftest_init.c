/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a guest that runs the kernel's selftest pfnmap: mounts what the test reads, loads
 * vfio-pci, gives it one device, takes the driver of another away, runs the test, and ends the guest.
 *
 * The test is compiled into it, with its main() renamed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "first_process.h"

/* A device with a driver of the kernel's own, and one for vfio-pci; run_selftest.py puts them there. */
#define CLAIMED "0000:00:05.0"
#define INSERTED "0000:00:06.0"

int selftest_main(int argc, char **argv);

int main(void)
{
	char *arguments[] = {
		"pfnmap", "--", PCI "devices/" CLAIMED "/resource4_wc", "claim", "vfio=" INSERTED, NULL,
	};
	int status = 0;
	pid_t test;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount_all();
	load_modules();
	write_text(PCI "devices/" CLAIMED "/driver/unbind", CLAIMED);
	write_text(PCI "devices/" INSERTED "/driver_override", "vfio-pci");
	write_text(PCI "drivers_probe", INSERTED);

	test = fork();
	if (!test)
		_exit(selftest_main(5, arguments));
	waitpid(test, &status, 0);
	printf("selftest ended with %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	tcdrain(1);
	reboot(RB_AUTOBOOT);
	return 1;
}
