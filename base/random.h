/* SPDX-License-Identifier: BSD-3-Clause */
/* Random bytes of the kernel, taken many at a time: most calls make no system call. */
#ifndef CHAOS_BASE_RANDOM_H
#define CHAOS_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* The kernel gives up to 256 bytes whole, without a signal in between (getrandom(2)). */
#define RANDOM_STOCK 256u

/* What each thread has. */
struct random_stock {
	uint8_t bytes[RANDOM_STOCK];
	size_t left; /* at the end */
};
extern _Thread_local struct random_stock random_stocked;

/* The same as random_bytes(), when the stock has too few. */
int random_fetch(void *out, size_t len, const char *what, struct err *e);

/* Any number of bytes fit for keys. Each byte is given out once and is nowhere in memory after
 * that. Each thread has its own; a child of fork() would have its parent's, and must not call it.
 */
static inline int random_bytes(void *out, size_t len, const char *what, struct err *e)
{
	struct random_stock *stock = &random_stocked;
	uint8_t *from = stock->bytes + RANDOM_STOCK - stock->left;

	if (stock->left < len)
		return random_fetch(out, len, what, e);
	memcpy(out, from, len);
	explicit_bzero(from, len);
	stock->left -= len;
	return 0;
}

/* In idle time: the next 128 bytes or more will need no system call, when the kernel gives some
 * now. */
void random_stock(void);

#endif
