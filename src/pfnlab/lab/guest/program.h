/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A program, which reading.c makes from a request's text and program.c runs.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "agent.h"

#define RANGES 64
#define OPS 4096

enum thp { THP_NEVER, THP_MADVISE, THP_ALWAYS, THPS };
extern const char *const thps[THPS];

extern struct program {
	const char *id;
	bool vmas, ptes, order, last, stand;
	struct range watch[RANGES], area[RANGES];
	int watches, areas, count;
	uint64_t times;               /* rounds of a loop; 0: a program */
	bool driver;                  /* something in it needs the test driver */
	bool vfio;                    /* something in it needs the device through vfio-pci */
	bool keys;                    /* each process gets a protection key before the next operation */
	enum thp thp;                 /* the requested transparent_hugepage setting */
	bool more;                    /* the tasks stay for the next request */
	char comm[TASKS][COMM];
	struct op op[OPS];
} program;

const char *read_program(char **text);

#endif
