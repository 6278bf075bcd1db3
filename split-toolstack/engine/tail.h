/* SPDX-License-Identifier: BSD-3-Clause */
/* The guard against long tails: host-wide settings, made at start and put back at the end. */
#ifndef CHAOS_ENGINE_TAIL_H
#define CHAOS_ENGINE_TAIL_H

#include <stddef.h>

#include "base/err.h"

struct engine;

/*
 * Puts back what an engine that was killed has left (its record in the run directory says what),
 * then makes the settings that conf.tail_guard wants, recorded before the first is made. With
 * TAIL_ON one that cannot be made is an error (tail_close() puts the others back). Before the
 * worker's threads: they inherit the CPU.
 */
int tail_open(struct engine *en, struct err *e);
/* Puts back each setting that still is as it was made. */
void tail_close(struct engine *en);
/* "preempt full (was voluntary), ...", or "off". */
void tail_describe(const struct engine *en, char *to, size_t room);
/* The calling thread may run on all CPUs of the engine's process again. */
void tail_unpin(void);

#endif
