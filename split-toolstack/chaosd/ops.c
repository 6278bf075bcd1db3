/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of operations, and what they listen to. */
#include "split-toolstack/chaosd/ops.h"

#include "split-toolstack/chaosd/lists.h"

static int open_operations(struct engine *en, struct conns *all, struct err *e)
{
	int rc = subscriptions_open(en, all, e);

	if (rc < 0)
		return rc;
	streams_open(en, all->loop);
	lists_open(all->loop);
	return 0;
}

static void close_operations(void)
{
	streams_close();
	subscriptions_close();
	lists_close();
}

#define OPERATION(name, fn, text) [PROTO_REQ_##name - PROTO_REQ_FIRST] = op_##fn,
const struct operations operations = {
	.run = {PROTO_REQUESTS(OPERATION)}, .open = open_operations, .close = close_operations};
