/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts and times of operations, and the Prometheus text made of them. One thread. */
#ifndef CHAOS_METRICS_H
#define CHAOS_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "split-toolstack/chaosd/request.h"

/* An operation of the table (its index there) was answered. */
void metrics_operation(uint32_t index, uint64_t ns, bool failed);
/* A VM was made. */
void metrics_create(enum vm_way way, uint64_t ns);
/* Writes all of it; `ops` has the names. */
void metrics_print(struct engine *en, const struct operations *ops, uint32_t clients, FILE *to);

#endif
