/* SPDX-License-Identifier: BSD-3-Clause */
/* Does one request of the mirror: a write or a removal. */
#include <errno.h>
#include <stdlib.h>

#include <xenstore.h>

#include "split-toolstack/engine/devices/mirror_queue.h"

/* If it cannot be read, the write is not done, either. */
static bool put_new(struct xs_handle *xs, uint32_t t, const struct mirror_item *i)
{
	unsigned int len = 0;
	char *has = xs_read(xs, t, i->path, &len);

	if (!has)
		return errno == ENOENT && xs_write(xs, t, i->path, i->value, i->len);
	free(has);
	return true;
}

bool mirror_do(struct xs_handle *xs, uint32_t t, const struct mirror_item *i)
{
	if (i->op == OP_PUT_NEW)
		return put_new(xs, t, i);
	if (i->op == OP_PUT)
		return xs_write(xs, t, i->path, i->value, i->len);
	return xs_rm(xs, t, i->path) || errno == ENOENT;
}
