/* SPDX-License-Identifier: BSD-3-Clause */
/* Random bytes from the kernel, fetched many at a time, so that most calls make no system call. */
#ifndef CHAOS_BASE_RANDOM_H
#define CHAOS_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* getrandom(2) returns up to 256 bytes completely, without being interrupted by a signal. */
#define RANDOM_STOCK 256u

/* The stock of a thread. */
struct random_stock {
	uint8_t bytes[RANDOM_STOCK];
	size_t left; /* number of unused bytes, at the end of the array */
};
extern _Thread_local struct random_stock random_stocked;

/* random_bytes() when the stock has too few bytes. */
int random_fetch(void *out, size_t len, const char *what, struct err *e);

/* Any number of bytes that are good enough for keys. A byte is returned once and then erased
 * from memory. Each thread has its own stock. A child of fork() must not call this: it has the
 * stock of its parent. */
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

/* For idle time: fetches bytes, if the kernel has some now, so that the next 128 bytes or more
 * need no system call. */
void random_stock(void);

#endif
