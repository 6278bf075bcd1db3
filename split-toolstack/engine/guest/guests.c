/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing what guests have of the daemon, in order. */
#include "split-toolstack/engine/guest/guests.h"

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "store/store.h"

int guests_open(struct engine *en, const struct guests_ops *ops, struct err *e)
{
	int rc = storehost_open(en, views_poll, e);

	en->guests.ops = ops;
	if (rc == 0) {
		store_on_missing(en->guests.tree, view_on_missing, en);
		rc = names_open(en, e);
	}
	if (rc == 0)
		storehost_serve(en); /* the last: it may ask at once */
	return rc;
}

void guests_close(struct engine *en)
{
	if (!en->guests.host)
		return;
	storehost_stop_serving(en);
	names_close(en);
	storehost_close(en);
}
