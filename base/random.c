/* SPDX-License-Identifier: BSD-3-Clause */
/* One getrandom() for some hundred bytes, handed out bit by bit. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

_Thread_local struct random_stock random_stocked;

static int fill(void)
{
	if (getrandom(random_stocked.bytes, RANDOM_STOCK, 0) != (ssize_t)RANDOM_STOCK)
		return -errno;
	random_stocked.left = RANDOM_STOCK;
	return 0;
}

int random_fetch(void *out, size_t len, const char *what, struct err *e)
{
	uint8_t *to = out;

	while (len) {
		size_t n = len < RANDOM_STOCK ? len : RANDOM_STOCK;
		int rc = random_stocked.left < n ? fill() : 0;

		if (rc < 0)
			return err_sys(e, -rc, "make a random %s", what);
		(void)random_bytes(to, n, what, e);
		to += n;
		len -= n;
	}
	return 0;
}

void random_stock(void)
{
	if (random_stocked.left < RANDOM_STOCK / 2 && fill() < 0)
		random_stocked.left = 0; /* what is there may be half old, half new */
}
