/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Plugin of QEMU's emulator: which blocks of the kernel ran, by the addresses they begin at.
 *
 * Its one argument is `counts=PATH`. The file is mapped by pfnlab too, which reads and clears counts while the
 * guest stands still: `counted_blocks.py` has the same layout.
 *
 * No package of the distribution has QEMU's header, so the functions used are declared here. The interface
 * of QEMU before 9.0 is version 1, whose inline counters need no call; later ones are at least version 2.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS (1u << 17)
#define SLOTS (4 * BLOCKS)
/* The kernel's image and its modules; all else is not counted. */
#define FIRST_ADDRESS 0xffffffff80000000ull

struct qemu_plugin_tb;
typedef uint64_t plugin_id;
enum { NO_REGISTERS = 0, ADD_U64 = 0 };

extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
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
	uint64_t count[BLOCKS];
} *shared;

/* Places of addresses in `shared`, plus 1: a block may be translated again. */
static uint32_t places[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static __attribute__((constructor)) void choose_version(void)
{
	if (!qemu_plugin_register_vcpu_tb_exec_inline)
		qemu_plugin_version = 2;
}

static uint64_t *count_of(uint64_t address)
{
	uint32_t slot = (address * 0x9e3779b97f4a7c15ull) >> 45, place;
	uint64_t *count = NULL;

	pthread_mutex_lock(&lock);
	while ((place = places[slot]) && shared->address[place - 1] != address)
		slot = (slot + 1) % SLOTS;
	if (!place && shared->used < BLOCKS) {
		shared->address[shared->used] = address;
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
	*(uint64_t *)count = 1;
}

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
	uint64_t address = qemu_plugin_tb_vaddr(block);
	uint64_t *count = address < FIRST_ADDRESS ? NULL : count_of(address);

	(void)id;
	if (count && qemu_plugin_register_vcpu_tb_exec_inline)
		qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, count, 1);
	else if (count)
		qemu_plugin_register_vcpu_tb_exec_cb(block, executed, NO_REGISTERS, count);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *info, int words, char **word)
{
	int file = words == 1 && !strncmp(word[0], "counts=", 7) ? open(word[0] + 7, O_RDWR | O_CREAT, 0600) : -1;

	(void)info;
	if (file < 0 || ftruncate(file, sizeof(*shared)))
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (shared == MAP_FAILED)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
