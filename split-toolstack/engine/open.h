/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that open the engine share. */
#ifndef CHAOS_ENGINE_OPEN_H
#define CHAOS_ENGINE_OPEN_H

#include "base/err.h"

struct engine;

/* --- chores.c --- */
int chores_open(struct engine *en, struct err *e);

#endif
