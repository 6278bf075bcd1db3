/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts and durations of operations, in the text format of Prometheus. For one thread. */
#ifndef CHAOS_METRICS_H
#define CHAOS_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "split-toolstack/engine/engine.h"
#include "split-toolstack/protocol/proto.h"

/* A request was answered. */
void metrics_operation(enum proto_op op, uint64_t ns, bool failed);
/* A VM was made. */
void metrics_create(enum vm_way way, uint64_t ns);
/* Writes all of it. */
void metrics_print(struct engine *en, uint32_t clients, FILE *to);

#endif
