/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: domain ids with a port of dom0's each, made ahead and used again and again. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/*
 * Two things of a create grow with the number of domains: Xen walks its list of domains, sorted by
 * id, to insert one, and walks dom0's ports from 0 on to find a free one. So ids are handed out
 * from the top down, which inserts at the head, and each keeps its port for ever: the port waits
 * for the guest of that id to bind to it, and when the guest dies it waits for the next one. Events
 * of one guest can reach the next: they are hints everywhere.
 */

#define DOMID_TOP   0x7fefu /* the highest a domain can have: DOMID_FIRST_RESERVED - 1 */
#define SLOTS_AHEAD 16u	    /* with ports, for creates to come */
/* Looking whether others still have what they had takes no more than one in so many parts of the
 * time. */
#define LOOK_SHARE 1000u

static bool has(const uint8_t *set, uint32_t domid)
{
	return set[domid / 8] & 1u << domid % 8;
}

static void add(uint8_t *set, uint32_t domid)
{
	set[domid / 8] |= (uint8_t)(1u << domid % 8);
}

static void take_out(uint8_t *set, uint32_t domid)
{
	set[domid / 8] &= (uint8_t) ~(1u << domid % 8);
}

/* `arg`: a set, which the domain's id joins. */
static void note(const struct xen_domain_info *info, struct vm *vm, void *arg)
{
	(void)vm;
	if (info->domid > 0 && info->domid <= DOMID_TOP)
		add(arg, info->domid);
}

/* A backend that is left of a domain keeps the names that the next one of this id needs. */
static void note_backend(const char *name, void *arg)
{
	const char *number = strchr(name, '-');
	unsigned long domid = number ? strtoul(number + 1, NULL, 10) : 0;

	if (domid > 0 && domid <= DOMID_TOP)
		add(arg, (uint32_t)domid);
}

int slots_open(struct engine *en, struct err *e)
{
	struct slots *s = &en->slots;
	int rc = domains_walk(en, note, s->taken, e);

	kernel_each_backend(note_backend, s->taken);
	memcpy(s->foreign, s->taken, sizeof(s->foreign));
	for (uint32_t id = 1; id <= DOMID_TOP; id++)
		s->nforeign += has(s->foreign, id);
	s->next = DOMID_TOP;
	return rc;
}

void slots_adopt(struct engine *en, uint32_t domid)
{
	if (domid > DOMID_TOP || !has(en->slots.foreign, domid))
		return;
	take_out(en->slots.foreign, domid);
	en->slots.nforeign--;
}

void slots_hold(struct engine *en, uint32_t domid)
{
	slots_adopt(en, domid);
	if (domid <= DOMID_TOP)
		add(en->slots.taken, domid);
}

bool slots_has(const struct engine *en, uint32_t domid)
{
	const struct slots *s = &en->slots;

	return domid > 0 && domid <= DOMID_TOP && !has(s->foreign, domid) &&
	       (domid > s->next || has(s->taken, domid));
}

/* Ids that others had at the start and have no more are as good as any. */
static void look_again(struct engine *en)
{
	struct slots *s = &en->slots;
	uint8_t now[sizeof(s->taken)] = {0};
	uint64_t start = clock_ns();
	uint64_t end;

	if (domains_walk(en, note, now, NULL) < 0)
		return;
	kernel_each_backend(note_backend, now);
	end = clock_ns();
	s->look_at = end + (end - start) * LOOK_SHARE;
	for (uint32_t id = 1; id <= DOMID_TOP; id++) {
		struct slot free = {.domid = id};

		if (!has(s->foreign, id) || has(now, id))
			continue;
		take_out(s->taken, id);
		slots_adopt(en, id);
		if (id > s->next) /* passed by; else its turn comes */
			slot_put_last(en, &free);
	}
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

static int new_domid(struct engine *en, uint32_t *out, struct err *e)
{
	struct slots *s = &en->slots;

	while (s->next > 0 && has(s->taken, s->next))
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
	if (s->n == 0 && s->next == 0 && s->nforeign)
		look_again(en);
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

	if (s->nforeign && clock_ns() >= s->look_at)
		look_again(en);
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
