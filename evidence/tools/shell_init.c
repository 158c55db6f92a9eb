/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first process of a guest: busybox, which goes on with the script /init.sh. */
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	chmod("/busybox", 0755);
	execl("/busybox", "sh", "/init.sh", (char *)0);
	return 1;
}
