/* SPDX-License-Identifier: BSD-3-Clause */
/* Opens and closes the daemon's side of guests, in order. */
#include "split-toolstack/engine/guest/guests.h"

#include <errno.h>
#include <stdlib.h>

#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "store/store.h"

int guests_open(struct engine *en, const struct guests_ops *ops, struct err *e)
{
	struct guests *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return err_set(e, ENOMEM, "out of memory");
	g->ops = ops;
	engine_set_guests(en, g);
	rc = storehost_open(en, guest_stores_poll, e);
	if (rc == 0) {
		store_on_missing(engine_guests(en)->tree, guest_store_on_missing, en);
		rc = names_open(en, e);
	}
	if (rc == 0)
		storehost_serve(en); /* the last: it may ask at once */
	return rc;
}

void guests_close(struct engine *en)
{
	if (!engine_guests(en))
		return;
	if (engine_guests(en)->host) {
		storehost_stop_serving(en);
		names_close(en);
		storehost_close(en);
	}
	free(engine_guests(en));
	engine_set_guests(en, NULL);
}

void guest_begin(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	uint64_t log_kib = engine_settings(vm_engine(vm))->limits.console_log_kib;

	g->vm = vm;
	g->log = (struct console_log){.fd = -1, .size = log_kib * 1024};
}

void guest_end(struct vm *vm)
{
	names_forget(vm);
	console_log_close(vm);
	input_free(&vm_guest(vm)->input);
}
