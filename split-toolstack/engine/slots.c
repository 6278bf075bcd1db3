/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: domain ids with a port of dom0's each, made ahead and used again and again. */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two things of a create grow with the number of domains: Xen walks its list of domains, sorted by
 * id, to insert one, and walks dom0's ports from 0 on to find a free one. So ids are handed out
 * from the top down, which inserts at the head, and each keeps its port for ever: the port waits
 * for the guest of that id to bind to it, and when the guest dies it waits for the next one. Events
 * of one guest can reach the next: they are hints everywhere.
 */

#define DOMID_TOP   0x7fefu /* the highest a domain can have: DOMID_FIRST_RESERVED - 1 */
#define SLOTS_AHEAD 16u	    /* with ports, for creates to come */
#define LIST	    64u

/* Ids that somebody has already: what runs, of ours and of others. */
static int find_taken(struct engine *en)
{
	struct xen_domain_info info[LIST];
	uint32_t first = 0;
	int n;

	memset(en->slots.taken, 0, sizeof(en->slots.taken));
	while ((n = xen_domain_list(en->x, first, LIST, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (info[i].domid <= DOMID_TOP)
				en->slots.taken[info[i].domid / 8] |=
					(uint8_t)(1u << info[i].domid % 8);
		first = info[n - 1].domid + 1;
	}
	return n;
}

int slots_open(struct engine *en, struct err *e)
{
	int rc = find_taken(en);

	if (rc < 0)
		return err_sys(e, -rc, "list domains");
	en->slots.next = DOMID_TOP;
	return 0;
}

void slots_close(struct engine *en)
{
	for (uint32_t i = 0; i < en->slots.n; i++)
		if (en->slots.free[i].port)
			(void)xen_evtchn_unbind(en->x, en->slots.free[i].port);
	free(en->slots.free);
	en->slots.free = NULL;
	en->slots.n = 0;
}

static bool is_taken(const struct slots *s, uint32_t domid)
{
	return s->taken[domid / 8] & 1u << domid % 8;
}

static int new_domid(struct engine *en, uint32_t *out, struct err *e)
{
	struct slots *s = &en->slots;

	while (s->next > 0 && is_taken(s, s->next))
		s->next--;
	if (s->next == 0)
		return err_set(e, ENOSPC, "Xen has no domain id left");
	*out = s->next--;
	return 0;
}

static int reserve(struct engine *en, struct slot *s, struct err *e)
{
	int rc;

	if (s->port)
		return 0;
	rc = xen_evtchn_reserve(en->x, s->domid, &s->port);
	if (rc < 0)
		return err_sys(e, -rc, "event channel for domain %u", s->domid);
	return 0;
}

int slot_take(struct engine *en, bool port, struct slot *out, struct err *e)
{
	struct slots *s = &en->slots;
	int rc = 0;

	*out = (struct slot){0};
	if (s->n)
		*out = s->free[--s->n];
	else
		rc = new_domid(en, &out->domid, e);
	if (rc == 0 && port)
		rc = reserve(en, out, e);
	if (rc < 0)
		slot_put(en, out);
	return rc;
}

/* Room for one more in the list of free ones. */
static bool make_room(struct slots *s)
{
	uint32_t room = s->room ? s->room * 2 : 64;
	struct slot *grown;

	if (s->n < s->room)
		return true;
	grown = realloc(s->free, room * sizeof(*grown));
	if (!grown)
		return false;
	s->free = grown;
	s->room = room;
	return true;
}

static void forget(struct engine *en, const struct slot *slot)
{
	if (slot->port)
		(void)xen_evtchn_unbind(en->x, slot->port);
}

void slot_put(struct engine *en, struct slot *slot)
{
	struct slot free = *slot;

	*slot = (struct slot){0};
	if (free.domid == 0)
		return;
	if (make_room(&en->slots))
		en->slots.free[en->slots.n++] = free;
	else
		forget(en, &free);
}

void slot_put_last(struct engine *en, struct slot *slot)
{
	struct slots *s = &en->slots;
	struct slot free = *slot;

	*slot = (struct slot){0};
	if (free.domid == 0)
		return;
	if (!make_room(s)) {
		forget(en, &free);
		return;
	}
	memmove(s->free + 1, s->free, s->n * sizeof(*s->free));
	s->free[0] = free;
	s->n++;
}

uint32_t slots_ready(const struct engine *en)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < en->slots.n; i++)
		n += en->slots.free[i].port != 0;
	return n;
}

bool slots_refill(struct engine *en)
{
	struct slots *s = &en->slots;
	struct slot fresh = {0};

	for (uint32_t i = s->n; i > 0 && i + SLOTS_AHEAD > s->n; i--)
		if (!s->free[i - 1].port)
			return reserve(en, &s->free[i - 1], NULL) == 0;
	if (s->n >= SLOTS_AHEAD || new_domid(en, &fresh.domid, NULL) < 0)
		return false;
	if (reserve(en, &fresh, NULL) < 0) {
		s->next = fresh.domid;
		return false;
	}
	slot_put_last(en, &fresh);
	return true;
}
