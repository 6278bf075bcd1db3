/* SPDX-License-Identifier: BSD-3-Clause */
/* A shell: added to its flavor, removed from it, and ended. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"

/* After repeated failures the waiting time grows up to this factor. */
#define BACKOFF_MAX 31u

void shell_end(struct engine *en, struct shell *s)
{
	if (s->end) {
		s->end(en, s);
		return;
	}
	gate_ignore(en, s);
	drop_note(en, s->dom.domid, s->uuid);
	mapping_close(en, &s->dom);
	if (s->port)
		(void)xen_evtchn_unbind(engine_xen(en), s->port);
	dom_release(&s->dom);
	devices_drop(&s->devices);
	if (s->dom.domid)
		domain_drop(en, s->dom.domid, s->uuid, s->dom.pages, &s->slot, s->map, true);
	else
		slot_put(engine_slots(en), &s->slot);
	image_put(s->img);
	free(s);
}

void flavor_add_shell(struct flavor *f, struct shell *s)
{
	s->next = f->shells;
	f->shells = s;
	f->f.ready++;
}

void flavor_back_off(struct flavor *f, const struct err *e)
{
	log_line(LOG_WARN, "op=refill: %s", err_msg(e));
	f->backoff = f->backoff * 2 + 1 < BACKOFF_MAX ? f->backoff * 2 + 1 : BACKOFF_MAX;
	f->retry_at = clock_ns() + (uint64_t)(POOL_RETRY_S * 1e9) * f->backoff;
}

void flavor_drop_shells(struct engine *en, struct flavor *f, uint32_t keep)
{
	while (f->f.ready > keep) {
		struct shell *s = f->shells;

		f->shells = s->next;
		f->f.ready--;
		shell_end(en, s);
	}
}
