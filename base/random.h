/* SPDX-License-Identifier: BSD-3-Clause */
/* Random bytes of the kernel, taken many at a time: most calls make no system call. */
#ifndef CHAOS_BASE_RANDOM_H
#define CHAOS_BASE_RANDOM_H

#include <stddef.h>

#include "base/err.h"

/* Any number of bytes fit for keys. Each byte is given out once and is nowhere in memory after
 * that. Each thread has its own; a child of fork() would have its parent's, and must not call it.
 */
int random_bytes(void *out, size_t len, const char *what, struct err *e);
/* In idle time: the next 128 bytes or more will need no system call, when the kernel gives some
 * now. */
void random_stock(void);

#endif
