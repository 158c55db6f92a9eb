/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first processes of guests begin with; each includes it behind its own headers. */
#ifndef FIRST_PROCESS_H
#define FIRST_PROCESS_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PCI "/sys/bus/pci/"

/* What cannot be written is not there, and who needs it says what it lacks. */
static inline void write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);

	if (file < 0)
		return;
	if (write(file, text, strlen(text)) < 0)
		perror(path);
	close(file);
}

static inline void mount_all(void)
{
	mount("none", "/dev", "devtmpfs", 0, NULL);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
}

/* The modules of vfio-pci, in their order. */
static inline void load_modules(void)
{
	char path[32];
	int number, file;

	for (number = 0;; number++) {
		snprintf(path, sizeof(path), "/vfio-%02d.ko", number);
		file = open(path, O_RDONLY);
		if (file < 0)
			return;
		if (syscall(SYS_finit_module, file, "", 0))
			perror(path);
		close(file);
	}
}

#endif
