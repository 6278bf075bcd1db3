/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a group of changes: calls hooks, makes the journal valid, wakes connections. */
#include "store/private.h"

void store_end(struct store *s)
{
	if (s->depth == 1 && s->changes)
		store_hooks_run(s);
	if (--s->depth)
		return;
	store_commit(s);
	if (s->waking)
		store_wakes_run(s);
}
