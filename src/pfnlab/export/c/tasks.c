//: serve values
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
struct answer {
	long ret;
	int error;
	pid_t started;
	char value[VALUE_SIZE];
};

/* The process of the task that an operation has started. */
static __thread pid_t started;

/* The step that it is time for, and the process of the task that the step names. */
struct turn {
	int number;
	pid_t named;
};

static __thread struct turn turn;

static long do_step(int number);

static void answer(long ret)
{
	static __thread struct answer said;

	said.error = errno;
	said.ret = ret;
	said.started = started;
	strcpy(said.value, value);
	value[0] = 0;
	if (write(here.answers[1], &said, sizeof(said)) != sizeof(said))
		_exit(1);
}

/* A task does the steps that it is told to, one after the other. */
static void __attribute__((noreturn)) serve(int task)
{
	signal(SIGCHLD, SIG_IGN);
	while (read(here.turn[task][0], &turn, sizeof(turn)) == sizeof(turn)) {
		started = 0;
		errno = 0;
		answer(do_step(turn.number));
	}
	_exit(1);
}

//: operate serve check add_value give_up
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#define LIMIT_MS 10000

/* The process of each task while it is there, and the last that it had; threads have the same. */
static pid_t process[TASKS], last_process[TASKS];
static int pidfd[TASKS], created[TASKS];

static void adopt(int task, pid_t pid)
{
	static int count;

	process[task] = last_process[task] = pid;
	pidfd[task] = syscall(SYS_pidfd_open, pid, 0);
	created[task] = ++count;
}

/* A pidfd becomes readable when the address space has gone, too. */
static void await_end(int task)
{
	struct pollfd gone = { .fd = pidfd[task], .events = POLLIN };
	pid_t pid = process[task];
	int i;

	poll(&gone, 1, LIMIT_MS);
	for (i = 0; i < TASKS; i++) {
		if (process[i] != pid)
			continue;
		close(pidfd[i]);
		process[i] = 0;
	}
}

static void end_tasks(void)
{
	int task, last;

	do {
		last = -1;
		for (task = 0; task < TASKS; task++)
			if (process[task] && (last < 0 || created[task] > created[last]))
				last = task;
		if (last >= 0) {
			kill(process[last], SIGKILL);
			await_end(last);
		}
	} while (last >= 0);
}

static bool read_answer(struct answer *said)
{
	size_t have = 0;
	ssize_t got;

	while (have < sizeof(*said)) {
		got = read(here.answers[0], (char *)said + have, sizeof(*said) - have);
		if (got <= 0)
			return false;
		have += got;
	}
	return true;
}

/* Let a task do its step, and wait for it. */
static long operate(int number)
{
	const struct step *now = &steps[number];
	const struct turn next = { number, last_process[now->names] };
	static struct answer said;
	struct pollfd events[2];

	errno = ESRCH;
	if (!process[now->task])
		return -1;
	if (now->ends == KILLED) {
		kill(process[now->task], SIGKILL);
		await_end(now->task);
		return 0;
	}
	events[0] = (struct pollfd){ .fd = here.answers[0], .events = POLLIN };
	events[1] = (struct pollfd){ .fd = pidfd[now->task], .events = POLLIN };
	if (write(here.turn[now->task][1], &next, sizeof(next)) != sizeof(next) ||
	    poll(events, 2, LIMIT_MS) <= 0) {
		end_tasks();
		give_up(now->text);
	}
	if (!(events[0].revents & POLLIN) || !read_answer(&said)) {
		await_end(now->task);
		if (now->ends == EXITS)
			return 0;
		add_value("died");
		errno = ESRCH;
		return -1;
	}
	if (said.started && !said.ret)
		adopt(now->starts, said.started);
	strcpy(value, said.value);
	errno = said.error;
	return said.ret;
}

//: split serve
static long split(int task)
{
	pid_t child = fork();

	if (!child)
		serve(task);
	started = child;
	return child < 0 ? -1 : 0;
}

//: split_as_first fork_by_call serve
/* A fork that asks for the pid of process 1, which is taken. */
static long split_as_first(int task)
{
	pid_t child = fork_by_call(true);

	if (!child)
		serve(task);
	started = child;
	return child < 0 ? -1 : 0;
}

//: split_overcommitted split read_text write_text
/* A fork while no memory may be committed. */
static long split_overcommitted(int task)
{
	char mode[16], ratio[16], kbytes[32];
	long ret;
	int error;

	read_text("/proc/sys/vm/overcommit_memory", mode, sizeof(mode));
	read_text("/proc/sys/vm/overcommit_ratio", ratio, sizeof(ratio));
	read_text("/proc/sys/vm/overcommit_kbytes", kbytes, sizeof(kbytes));
	write_text("/proc/sys/vm/overcommit_memory", "2");
	write_text("/proc/sys/vm/overcommit_kbytes", "1");
	ret = split(task);
	error = errno;
	write_text("/proc/sys/vm/overcommit_memory", mode);
	if (kbytes[0] == '0')
		write_text("/proc/sys/vm/overcommit_ratio", ratio);
	else
		write_text("/proc/sys/vm/overcommit_kbytes", kbytes);
	errno = error;
	return ret;
}

//: split_limited split read_text write_text
#include <stdio.h>
#include <sys/stat.h>
#define CGROUP "/sys/fs/cgroup"
#define GROUP CGROUP "/pfnlab-reproducer"

/* A fork in a control group that may have one process. */
static long split_limited(int task)
{
	char own[256], home[300] = CGROUP "/cgroup.procs";
	const char *at;
	long ret;
	int error;

	read_text("/proc/self/cgroup", own, sizeof(own));
	at = strstr(own, "0::");
	if (at && strcspn(at + 3, "\n") > 1)
		snprintf(home, sizeof(home), CGROUP "%.*s/cgroup.procs", (int)strcspn(at + 3, "\n"), at + 3);
	write_text(CGROUP "/cgroup.subtree_control", "+pids");
	mkdir(GROUP, 0755);
	write_text(GROUP "/pids.max", "1");
	write_text(GROUP "/cgroup.procs", "0");
	ret = split(task);
	error = errno;
	write_text(home, "0");
	rmdir(GROUP);
	errno = error;
	return ret;
}

//: share serve
#include <pthread.h>
static void *serve_thread(void *task)
{
	serve((int)(long)task);
}

static long share(int task)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, serve_thread, (void *)(long)task);
	started = errno ? 0 : getpid();
	return errno ? -1 : 0;
}

//: become serve
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
/* A fresh image of the same program goes on as the task; what it has to know is in a file without a name. */
static long become(int task)
{
	char number[16], file[16];
	char *argv[] = { "task", "--task", number, file, NULL };
	int fd = memfd_create("here", 0);

	if (fd < 0 || pwrite(fd, &here, sizeof(here), 0) != sizeof(here))
		return -1;
	snprintf(number, sizeof(number), "%d", task);
	snprintf(file, sizeof(file), "%d", fd);
	return execv("/proc/self/exe", argv);
}

/* The begin of that image. */
static void __attribute__((noreturn)) go_on(char **argv)
{
	int fd = atoi(argv[3]);

	if (pread(fd, &here, sizeof(here), 0) != sizeof(here))
		_exit(1);
	close(fd);
	value[0] = 0;
	errno = 0;
	answer(0);
	serve(atoi(argv[2]));
}
