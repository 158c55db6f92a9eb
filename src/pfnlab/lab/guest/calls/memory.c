//: mem_read
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
/* Through /proc/self/mem, as a debugger reads. */
static ssize_t mem_read(void *at, void *bytes, size_t length)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), error;
	ssize_t moved = pread(fd, bytes, length, (off_t)(uintptr_t)at);

	error = errno;
	close(fd);
	errno = error;
	return moved;
}

//: mem_write
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
static ssize_t mem_write(void *at, void *bytes, size_t length)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC), error;
	ssize_t moved = pwrite(fd, bytes, length, (off_t)(uintptr_t)at);

	error = errno;
	close(fd);
	errno = error;
	return moved;
}

//: read_through
#include <sys/uio.h>
#include <unistd.h>
/* The process's own memory, read the way another process would read it. */
static ssize_t read_through(void *at, void *bytes, size_t length)
{
	struct iovec local = { bytes, length }, remote = { at, length };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

//: write_through
#include <sys/uio.h>
#include <unistd.h>
static ssize_t write_through(void *at, void *bytes, size_t length)
{
	struct iovec local = { bytes, length }, remote = { at, length };

	return process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
}

//: through_pipe
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>
/* Into a pipe, by copy or by reference, and back out. */
static ssize_t through_pipe(void *at, void *bytes, size_t length, bool by_reference)
{
	struct iovec iov = { at, length };
	ssize_t moved;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -1;
	moved = by_reference ? vmsplice(ends[1], &iov, 1, 0) : write(ends[1], at, length);
	if (moved == (ssize_t)length)
		moved = read(ends[0], bytes, length);
	error = errno;
	close(ends[0]);
	close(ends[1]);
	errno = error;
	return moved;
}

//: copied through_pipe
static ssize_t copied(void *at, void *bytes, size_t length)
{
	return through_pipe(at, bytes, length, false);
}

//: spliced through_pipe
static ssize_t spliced(void *at, void *bytes, size_t length)
{
	return through_pipe(at, bytes, length, true);
}

//: run_of
#include <stdint.h>
/* How many bytes continue the sequence they begin, each BY more than the one before. */
static size_t run_of(const uint8_t *byte, size_t count, uint8_t by)
{
	size_t length = 1;

	while (length < count && byte[length] == (uint8_t)(byte[length - 1] + by))
		length++;
	return length;
}

//: wake
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>
/* How many were woken. */
static long wake(void *at)
{
	return syscall(SYS_futex, at, FUTEX_WAKE, 1, NULL, NULL, 0);
}

//: ask_nodes
#include <linux/mempolicy.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
/* Where each page is, or what happened to it if it was to move to a node; PAGE_AT has room for the addresses. */
static long ask_nodes(char *at, uint64_t pages, void **page_at, const int *target, int *status)
{
	uint64_t i;

	for (i = 0; i < pages; i++) {
		page_at[i] = at + i * PAGE;
		status[i] = -1;
	}
	return syscall(SYS_move_pages, 0, pages, page_at, target, status, target ? MPOL_MF_MOVE : 0) ? -1 : 0;
}

//: register_faults
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
/* userfaultfd for missing pages, closed at once. */
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
