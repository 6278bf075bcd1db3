/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of VMs that sleep, for sleepers*.c. */
#ifndef CHAOS_ENGINE_LIFE_SLEEPERS_T_H
#define CHAOS_ENGINE_LIFE_SLEEPERS_T_H

#include "split-toolstack/engine/life/sleepers.h"

struct sleepers {
	int dir;
	struct sleeper_file *files; /* utlist head: those that are being written */
	uint64_t last;		    /* number of a file that has not its last name */
	bool stopped;
};

/* "UUID" or "UUID.n" (n not 0), a dot, and `end`. */
void sleeper_name(const uint8_t uuid[16], uint64_t n, const char *end, char out[SLEEPER_NAME]);
/* Opens such a file for reading, and checks whose it is. */
int sleeper_open_file(const struct engine *en, const char *name, struct err *e);

#endif
