/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Declarations shared by the files of the guest agent. PROTOCOL.md is the contract with the host.
 *
 *     main.c     boot, hello, and the loop over requests
 *     channel.c  the shared memory: requests in, replies out
 *     program.c  one request: read it, run its operations, answer
 *     reading.c  reading the text of a program, which becomes a program.h structure
 *     tasks.c    the processes of a program, as seen from the agent: start, operate, wait, kill
 *     actor.c    the same processes from inside, where they make the system calls
 *     processes.c operations on a process as a whole: the task's own, and others
 *     walkers.c  kernel accesses to a task's pages; forks that fail
 *     rollup.c   sums over all of a task's mappings
 *     scan.c     the pagemap, and the kernel's own search through it
 *     driver.c   the test driver: loaded at boot, and called
 *     vfio.c     the device under test through vfio-pci
 *     slot.c     the location of that device, and plugging it in and out
 *     observe.c  memtype list, kernel log, VMAs
 *     ptes.c     page tables through /proc/kcore
 *     offsets.c  the location of page tables: BTF and kallsyms
 *     symbols.c  kernel symbols, for a host that steers
 *     order.c    the order of kernel calls inside an operation
 *     files.c    reading small files and parsing numbers
 *     calls/     calls made by operations, and by exported programs too (src/pfnlab/export/pieces.py)
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TASKS 16                  /* slots in a program */
#define ARGS 6                    /* maximum number of arguments of an operation */
#define COMM 16                   /* TASK_COMM_LEN */
#define MINCORE_PAGES 1024        /* maximum number of pages per call */
#define MOVED_BYTES 16384         /* maximum number of bytes per call */
#define PAGE 4096UL
#define PAGE_SHIFT 12
#define OP_LIMIT_MS 10000         /* an operation that takes longer is killed */
#define GONE_LIMIT_MS 10000       /* how long a killed process may take to go */

#define MEMTYPE_LIST "/sys/kernel/debug/x86/pat_memtype_list"
#define DEVICE "/device"          /* links in sysfs to the device under test */
#define DEVICE_PROC "/device-proc" /* and in /proc */
#define DEVICE_ADDRESS "0000:00:10.0"   /* where it is if it has no slot of its own */
#define CHANNEL "/sys/bus/pci/devices/0000:00:11.0"

/* RAM below 1 MiB that programs may map; the kernel does not use it for anything else. */
#define LOWMEM_START 0x10000UL
#define LOWMEM_END 0x80000UL
/* The page before it, which only the agent maps. */
#define AGENT_PAGE (LOWMEM_START - PAGE)

/* Sockets have fixed descriptors, so that fork and exec need not pass them on. */
#define ACTOR_FD(slot) (10 + (slot))
#define AGENT_FD(slot) (30 + (slot))

/*
 * Every verb of an operation, and how many arguments it takes; for the driver's verb this includes those of its
 * command.
 */
#define EACH_VERB(VERB) \
	VERB(MMAP, "mmap", 6) VERB(MUNMAP, "munmap", 2) VERB(MLOCK, "mlock", 2) VERB(MUNLOCK, "munlock", 2) \
	VERB(MSYNC, "msync", 2) VERB(MSEAL, "mseal", 2) VERB(MBIND, "mbind", 4) VERB(MPROTECT, "mprotect", 3) \
	VERB(MADVISE, "madvise", 3) VERB(MREMAP, "mremap", 5) VERB(MLOCKALL, "mlockall", 0) \
	VERB(MUNLOCKALL, "munlockall", 0) VERB(LOAD, "load", 1) VERB(STORE, "store", 2) VERB(CLEAR, "clear", 2) \
	VERB(FORK, "fork", 1) VERB(EXEC, "exec", 0) VERB(EXIT, "exit", 0) VERB(KILL, "kill", 0) \
	VERB(NOP, "nop", 0) VERB(PIN, "pin", 1) VERB(THREAD, "thread", 1) VERB(DRIVER, "driver", 1) \
	VERB(MINCORE, "mincore", 2) VERB(READV, "readv", 1) VERB(MEMTYPES, "memtypes", 0) \
	VERB(MEMORY, "memory", 1) VERB(POWER, "power", 1) VERB(VFIO_RESET, "vfio-reset", 0) \
	VERB(VFIO_CLOSE, "vfio-close", 0) VERB(WALK, "walk", 3) VERB(BYTES, "bytes", 4) \
	VERB(REFUSE, "refuse", 1) VERB(REMAP_FILE, "remap-file", 3) VERB(REMOVE, "remove", 0) \
	VERB(RESCAN, "rescan", 0) VERB(SLOT, "slot", 1) VERB(BIND, "bind", 0) VERB(UNBIND, "unbind", 0) \
	VERB(RESCAN_MOVED, "rescan-moved", 0) VERB(CLEAR_REFS, "clear-refs", 1) \
	VERB(PKEY_MPROTECT, "pkey-mprotect", 4) VERB(SETRLIMIT, "setrlimit", 2) \
	VERB(MRELEASE, "process-mrelease", 2) VERB(SPIN, "spin", 0) \
	VERB(PROCESS_MADVISE, "process-madvise", 4)

enum verb {
#define NUMBERED(verb, name, args) verb,
	EACH_VERB(NUMBERED)
	VERBS
};

enum via { VIA_WC, VIA_UC, VIA_DEVMEM, VIA_DEVMEM_SYNC, VIA_PROC_WC, VIA_PROC_UC, VIA_ANON, VIA_DRIVER,
	VIA_VFIO, VIA_PERF, VIAS };

/*
 * What the agent does with an operation: run all of it, only begin it, collect what was begun, or report where its task
 * is.
 */
enum part { WHOLE, BEGIN, COLLECT, WHERE };

/* One operation, as given in the request and as passed to the actor. */
struct op {
	enum part part;
	int task;
	enum verb verb;
	uint64_t arg[ARGS];           /* arg[0] is the enum via for mmap, a number for driver, walk and bytes */
	bool order;                   /* the kernel calls in it are recorded */
	bool vfio;                    /* it needs the device through vfio-pci */
	bool keys;                    /* the process has a protection key before it */
	char comm[COMM];              /* of the task that executes it */
	char child_comm[COMM];        /* of the task that a fork creates */
};

enum value { NO_VALUE, NUMBER, ADDRESS, DIGITS, SIGNAL, DIED, TIMEOUT, TAKEN, BEGUN, RUNNING, BUSY, IDLE };

/* The answer to an operation. */
struct answer {
	int ret;                      /* 0 or -1 */
	int error;                    /* errno */
	enum value kind;
	uint64_t value;               /* NUMBER, ADDRESS; the signal number for SIGNAL; the number of DIGITS */
	int code;                     /* si_code for SIGNAL */
	pid_t child;                  /* from a fork; from a task that announces itself, its own pid */
	char text[3 * MINCORE_PAGES]; /* DIGITS, or any other text; last, because most of it is usually unused */
};

/* The part of an answer that is always present. */
#define ANSWER_HEAD offsetof(struct answer, text)

/* A process of the running program, or one of its threads; pid is 0 if the slot is empty. */
struct task {
	pid_t pid;
	pid_t process;                /* whose thread it is; its own slot if it is the first */
	int pidfd;                    /* of the process */
	bool thread;                  /* shares another task's address space */
	bool busy;                    /* has begun `begun`, which has not been collected */
	struct op begun;
	int smaps;                    /* kept open; -1 if not opened yet */
	uint64_t pgd;                 /* kernel address of its top table; 0 if not looked up yet */
	unsigned order;               /* of creation */
};

/* Scratch memory for one operation, or for the kernel during one; too large for the stack. */
union scratch {
	unsigned char core[MINCORE_PAGES];
	struct {
		void *page[MINCORE_PAGES];
		int status[MINCORE_PAGES];
		int node0[MINCORE_PAGES];
	} nodes;
	uint64_t pagemap[MINCORE_PAGES];
	uint64_t regions[MINCORE_PAGES][3];   /* struct region */
	uint8_t moved[MOVED_BYTES];
	char text[65536];
};

struct range {
	uint64_t start, end;
};

/* main.c */
void give_up(const char *what) __attribute__((noreturn));
void say_hello(void);
void map_low(unsigned long start, unsigned long end, bool clear);

/* channel.c */
void channel_open(void);
void channel_leave(void);
char *channel_request(void);
void channel_reply(void);
void channel_progress(uint32_t operations);
void channel_await(uint32_t operations);
void channel_begun(uint32_t operations);
void say(const char *text);
void say_bytes(const char *text, size_t n);
void say_hex(uint64_t number);
void say_decimal(int64_t number);

/* program.c */
void run_request(char *text);
bool program_open(void);

/* actor.c */
extern __thread union scratch *scratch;  /* mine */

/* tasks.c */
extern struct task tasks[TASKS];
void tasks_open(void);
void task_prepare(void);
bool task_first(void);
void task_operate(struct op *op, struct answer *answer);
void task_where(int slot);
void task_loop(const struct op *op, int count, uint64_t times, struct answer *answer);
void tasks_kill(void);

/* actor.c */
void actor(int slot, const char *comm, bool announce) __attribute__((noreturn));
void keep_event(void);
void actor_loop(const struct op *op, int count, uint64_t times) __attribute__((noreturn));

/* processes.c */
int limit_room(int resource, uint64_t room);
int kill_and_reap(pid_t process, bool kills);
int advise(const uint64_t *arg);
int clear_refs(unsigned number);

/* walkers.c */
enum refusal { NOTHING, SET_TID, OVERCOMMIT_MEMORY, PIDS_MAX };   /* why a fork fails */
int walker_number(const char *name);
void walk_pages(const struct op *op, struct answer *answer, bool all_locked);
void move_bytes(const struct op *op, struct answer *answer);
uint64_t pages_of(const struct op *op, struct answer *answer);
void add_text(struct answer *answer, const char *text, size_t n);
void add_number(struct answer *answer, uint64_t number);
int refuse_forks(enum refusal reason, bool on);
int read_word_through(void *at);

/* rollup.c */
void read_rollup(const struct op *op, struct answer *answer);

/* scan.c */
void tell_pagemap(const struct op *op, struct answer *answer);
void scan_pagemap(const struct op *op, struct answer *answer);

/* driver.c */
int driver_command(const char *name);
int driver_arguments(int command);
int driver_open(void);
int driver_open_to_map(void);
const char *driver_load(void);
void driver_operate(const uint64_t *arg, struct answer *answer);
void driver_reset(void);
int driver_park(uint64_t start, uint64_t length);

/* vfio.c */
const char *vfio_bind(void);
const char *vfio_prepare(void);
int vfio_open(void);
int vfio_close(void);
void vfio_end(void);
int vfio_fetch(void);
int vfio_change(const struct op *op);

/* slot.c */
void slot_open(void);
bool slot_bar(struct range *bar);
bool slot_enabled(void);
int slot_await(bool full);
int slot_remove(void);
int slot_rescan(void);
void slot_first_place(struct op *op);
int slot_rescan_moved(uint64_t start, uint64_t length);
int slot_bind(bool bind);
void slot_matches(void);
void slot_unbound(void);

/* observe.c */
void observe_open(void);
void observe_memtypes(const struct range *watch, int watches);
void observe_log(bool tell);
void observe_vmas(int slot, const struct range *area, int areas);

/* symbols.c */
void answer_symbols(char *text);

/* collect.c */
void answer_collect(void);

/* stay.c */
void map_and_stay(const char *path, const char *offset, const char *length) __attribute__((noreturn));

/* order.c */
void answer_trace(char *text);
bool order_armed(void);
void order_begin(struct op *op);
extern __thread bool order_in_calls;
void order_record(bool on);
void order_call(bool on);
void order_end(void);

/* ptes.c */
extern char ptes_state[64];
extern int ptes_levels;
void ptes_open(void);
bool kernel_read(uint64_t address, void *to, size_t n);
void observe_ptes(int slot, const struct range *area, int areas);

/* offsets.c */
struct offsets {
	uint64_t init_task;           /* kernel addresses */
	uint64_t page_offset_base;
	uint64_t tasks, pid, mm;      /* in task_struct */
	uint64_t pgd;                 /* in mm_struct */
};
extern struct offsets offsets;
bool offsets_given(const char *text);
const char *offsets_search(void);
void offsets_say(void);

/* files.c */
void read_text(const char *path, char *to, size_t size);
int write_text(const char *path, const char *text);
uint64_t hex(const char **at);
uint64_t decimal(const char **at);
bool starts(const char *text, const char *with);

/* For code from calls/, which is an operation: the kernel calls to be recorded, and only these. */
#define RECORDED(call) ({ order_call(true); __auto_type done_ = (call); order_call(false); done_; })

#endif
