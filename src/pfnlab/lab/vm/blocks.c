/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plugin of QEMU's emulator: how often each block of the kernel ran, by the address it begins at and its length,
 * since the counts were cleared, and between two marks. A mark is an instruction without an effect in the guest's
 * agent; `guest/marks.h` precedes this file when it is compiled.
 *
 * Its one argument is `counts=PATH`. The file is mapped by pfnlab too, which reads and clears counts while the
 * guest stands still: `counted_blocks.py` has the same layout.
 *
 * No package of the distribution has QEMU's header, so the functions used are declared here. The interface
 * of QEMU before 9.0 is version 1, whose inline counters need no call; later ones are at least version 2, and from
 * version 3 on an instruction's bytes are copied.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS (1u << 17)
#define SLOTS (4 * BLOCKS)
/* The kernel's image and its modules; all else is not counted. */
#define FIRST_ADDRESS 0xffffffff80000000ull

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t plugin_id;
enum { NO_REGISTERS = 0, ADD_U64 = 0 };

/* The beginning of qemu_info_t. */
struct host {
	const char *target;
	struct { int least, current; } version;
};

extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
extern const void *qemu_plugin_insn_data();
extern void qemu_plugin_register_vcpu_insn_exec_cb(
	struct qemu_plugin_insn *instruction, void (*executed)(unsigned int processor, void *data), int registers, void *data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(
	plugin_id id, void (*translated)(plugin_id id, struct qemu_plugin_tb *block));
extern void qemu_plugin_register_vcpu_tb_exec_cb(
	struct qemu_plugin_tb *block, void (*executed)(unsigned int processor, void *count), int registers, void *count);
extern void __attribute__((weak)) qemu_plugin_register_vcpu_tb_exec_inline(
	struct qemu_plugin_tb *block, int operation, void *count, uint64_t operand);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static struct {
	uint64_t used;
	uint64_t address[BLOCKS];
	uint64_t length[BLOCKS];      /* in instructions */
	uint64_t count[BLOCKS];
	uint64_t marked[BLOCKS];      /* the part of the count between marks */
} *shared;

/* Places of blocks in `shared`, plus 1: a block may be translated again. */
static uint32_t places[SLOTS];
/* The counts at the last opening mark, if no closing one has followed. */
static uint64_t before[BLOCKS], used_before;
static bool marked, copies_bytes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((constructor)) void choose_version(void)
{
	if (!qemu_plugin_register_vcpu_tb_exec_inline)
		qemu_plugin_version = 2;
}

static uint64_t *count_of(uint64_t address, uint64_t length)
{
	uint32_t slot = (address * 0x9e3779b97f4a7c15ull) >> 45, place;
	uint64_t *count = NULL;

	pthread_mutex_lock(&lock);
	while ((place = places[slot]) && (shared->address[place - 1] != address || shared->length[place - 1] != length))
		slot = (slot + 1) % SLOTS;
	if (!place && shared->used < BLOCKS) {
		shared->address[shared->used] = address;
		shared->length[shared->used] = length;
		place = places[slot] = ++shared->used;
	}
	if (place)
		count = &shared->count[place - 1];
	pthread_mutex_unlock(&lock);
	return count;
}

static void executed(unsigned int processor, void *count)
{
	(void)processor;
	__atomic_fetch_add((uint64_t *)count, 1, __ATOMIC_RELAXED);
}

/* A child of a fork closes what its parent has opened, and the second closing mark has no effect. */
static void mark(unsigned int processor, void *opens)
{
	(void)processor;
	if (opens) {
		used_before = shared->used;
		memcpy(before, shared->count, used_before * sizeof(*before));
	} else if (marked) {
		for (uint64_t i = 0; i < shared->used; i++)
			shared->marked[i] += shared->count[i] - (i < used_before ? before[i] : 0);
	}
	marked = opens;
}

static void find_marks(struct qemu_plugin_tb *block)
{
	const unsigned char opens[] = { OPENING_MARK }, closes[] = { CLOSING_MARK };

	for (size_t i = 0; i < qemu_plugin_tb_n_insns(block); i++) {
		struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
		unsigned char copy[sizeof(opens)];
		const void *bytes = copy;

		if (qemu_plugin_insn_size(instruction) != sizeof(opens))
			continue;
		if (copies_bytes)
			qemu_plugin_insn_data(instruction, copy, sizeof(copy));
		else
			bytes = qemu_plugin_insn_data(instruction);
		if (!memcmp(bytes, opens, sizeof(opens)))
			qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark, NO_REGISTERS, &marked);
		else if (!memcmp(bytes, closes, sizeof(closes)))
			qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark, NO_REGISTERS, NULL);
	}
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
	uint64_t address = qemu_plugin_tb_vaddr(block), *count;

	(void)id;
	if (address < FIRST_ADDRESS) {
		find_marks(block);
		return;
	}
	count = count_of(address, qemu_plugin_tb_n_insns(block));
	if (count && qemu_plugin_register_vcpu_tb_exec_inline)
		qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, count, 1);
	else if (count)
		qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, count);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int words, char **word)
{
	int file = words == 1 && !strncmp(word[0], "counts=", 7) ? open(word[0] + 7, O_RDWR | O_CREAT, 0600) : -1;

	copies_bytes = ((const struct host *)info)->version.current >= 3;
	if (file < 0 || ftruncate(file, sizeof(*shared)))
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (shared == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
