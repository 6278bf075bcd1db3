/* SPDX-License-Identifier: BSD-3-Clause */
/* One getrandom() for some hundred bytes, handed out bit by bit. */
#include "base/random.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* The kernel gives up to 256 bytes whole, without a signal in between (getrandom(2)). */
#define POOL 256u

static _Thread_local uint8_t pool[POOL];
static _Thread_local size_t left; /* at the pool's end */

static int fill(void)
{
	if (getrandom(pool, POOL, 0) != (ssize_t)POOL)
		return -errno;
	left = POOL;
	return 0;
}

static int take(void *out, size_t len)
{
	int rc = left < len ? fill() : 0;

	if (rc < 0)
		return rc;
	memcpy(out, pool + POOL - left, len);
	explicit_bzero(pool + POOL - left, len);
	left -= len;
	return 0;
}

int random_bytes(void *out, size_t len, const char *what, struct err *e)
{
	uint8_t *to = out;

	while (len) {
		size_t n = len < POOL ? len : POOL;
		int rc = take(to, n);

		if (rc < 0)
			return err_sys(e, -rc, "random %s", what);
		to += n;
		len -= n;
	}
	return 0;
}

void random_stock(void)
{
	if (left < POOL / 2 && fill() < 0)
		left = 0; /* what is there may be half old, half new */
}
