/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots: domain ids, each with a port of dom0, made in advance and used again and again. */
#include "split-toolstack/engine/services/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xen.h"
#include "dom0/kernel.h"
#include "split-toolstack/engine/services/domains.h"

/* Two parts of a create take longer with more domains: Xen walks its list of domains, sorted by
 * id, to insert one; and it walks dom0's ports from 0 on to find a free one. So ids are used
 * from the top down, which inserts at the head, and each id keeps its port forever: the port
 * waits for the guest with that id to bind to it, and when the guest has ended it waits for the
 * next one. An event of one guest can arrive for the next; that is harmless, because events are
 * only hints. */

#define DOMID_TOP   0x7fefu /* the highest a domain can have: DOMID_FIRST_RESERVED - 1 */
#define SLOTS_AHEAD 16u	    /* with ports, for creates to come */
/* Checking whether other programs still have ids takes at most this part of the time. */
#define LOOK_SHARE 1000u

struct slots {
	struct xen *x;
	struct slot *free; /* a stack */
	uint32_t n, room;
	uint32_t next;		     /* the highest id that was never handed out */
	uint8_t taken[0x8000 / 8];   /* by domains that were there at the start */
	uint8_t foreign[0x8000 / 8]; /* of these, others' */
	uint32_t nforeign;
	uint64_t look_at; /* ns: not before, whether they are there still */
};

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
static bool note(const struct xen_domain_info *info, void *arg)
{
	if (info->domid <= DOMID_TOP)
		add(arg, info->domid);
	return true;
}

/* A backend that is left of a domain still has the names that the next domain with this id
 * needs. */
static void note_backend(const char *name, void *arg)
{
	const char *number = strchr(name, '-');
	unsigned long domid = number ? strtoul(number + 1, NULL, 10) : 0;

	if (domid > 0 && domid <= DOMID_TOP)
		add(arg, (uint32_t)domid);
}

int slots_open(struct xen *x, struct slots **out, struct err *e)
{
	struct slots *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->x = x;
	rc = domains_walk(x, note, s->taken, e);
	if (rc == 0) {
		rc = kernel_each_backend(note_backend, s->taken);
		if (rc < 0) /* an id whose backend is left must not be used */
			(void)err_sys(e, -rc, "list the backends of dom0's kernel");
	}
	if (rc < 0) {
		free(s);
		return rc;
	}
	memcpy(s->foreign, s->taken, sizeof(s->foreign));
	for (uint32_t id = 1; id <= DOMID_TOP; id++)
		s->nforeign += has(s->foreign, id);
	s->next = DOMID_TOP;
	*out = s;
	return 0;
}

void slots_adopt(struct slots *s, uint32_t domid)
{
	if (domid > DOMID_TOP || !has(s->foreign, domid))
		return;
	take_out(s->foreign, domid);
	s->nforeign--;
}

void slot_adopt(struct slots *s, uint32_t domid, struct slot *slot)
{
	slots_adopt(s, domid);
	slot->domid = domid;
}

void slots_hold(struct slots *s, uint32_t domid)
{
	slots_adopt(s, domid);
	if (domid <= DOMID_TOP)
		add(s->taken, domid);
}

bool slots_has(const struct slots *s, uint32_t domid)
{
	return domid > 0 && domid <= DOMID_TOP && !has(s->foreign, domid) &&
	       (domid > s->next || has(s->taken, domid));
}

/* Ids that other programs had at the start and do not have any more can be used. */
static void read_domains_again(struct slots *s)
{
	uint8_t now[sizeof(s->taken)] = {0};
	uint64_t start = clock_ns();
	uint64_t end;

	if (domains_walk(s->x, note, now, NULL) < 0 || kernel_each_backend(note_backend, now) < 0)
		return;
	end = clock_ns();
	s->look_at = end + (end - start) * LOOK_SHARE;
	for (uint32_t id = 1; id <= DOMID_TOP; id++) {
		struct slot free = {.domid = id};

		if (!has(s->foreign, id) || has(now, id))
			continue;
		take_out(s->taken, id);
		slots_adopt(s, id);
		if (id > s->next) /* passed by; else its turn comes */
			slot_put_last(s, &free);
	}
}

void slots_close(struct slots *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->free[i].port)
			(void)xen_evtchn_unbind(s->x, s->free[i].port);
	free(s->free);
	free(s);
}

static int new_domid(struct slots *s, uint32_t *out, struct err *e)
{

	while (s->next > 0 && has(s->taken, s->next))
		s->next--;
	if (s->next == 0)
		return err_set(e, ENOSPC, "Xen has no domain id left");
	*out = s->next--;
	return 0;
}

static int reserve(struct slots *s, struct slot *slot, struct err *e)
{
	int rc;

	if (slot->port)
		return 0;
	rc = xen_evtchn_reserve(s->x, slot->domid, &slot->port);
	if (rc < 0)
		return err_sys(e, -rc, "make an event channel for domain %u", slot->domid);
	return 0;
}

int slot_take(struct slots *s, bool port, struct slot *out, struct err *e)
{
	int rc = 0;

	*out = (struct slot){0};
	if (s->n == 0 && s->next == 0 && s->nforeign)
		read_domains_again(s);
	if (s->n)
		*out = s->free[--s->n];
	else
		rc = new_domid(s, &out->domid, e);
	if (rc == 0 && port)
		rc = reserve(s, out, e);
	if (rc < 0)
		slot_put(s, out);
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

static void forget(struct slots *s, const struct slot *slot)
{
	if (slot->port)
		(void)xen_evtchn_unbind(s->x, slot->port);
}

void slot_put(struct slots *s, struct slot *slot)
{
	struct slot free = *slot;

	*slot = (struct slot){0};
	if (free.domid == 0)
		return;
	if (make_room(s))
		s->free[s->n++] = free;
	else
		forget(s, &free);
}

void slot_put_last(struct slots *s, struct slot *slot)
{
	struct slot free = *slot;

	*slot = (struct slot){0};
	if (free.domid == 0)
		return;
	if (!make_room(s)) {
		forget(s, &free);
		return;
	}
	memmove(s->free + 1, s->free, s->n * sizeof(*s->free));
	s->free[0] = free;
	s->n++;
}

uint32_t slots_ready(const struct slots *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++)
		n += s->free[i].port != 0;
	return n;
}

bool slots_refill(struct slots *s)
{
	struct slot fresh = {0};

	if (s->nforeign && clock_ns() >= s->look_at)
		read_domains_again(s);
	for (uint32_t i = s->n; i > 0 && i + SLOTS_AHEAD > s->n; i--)
		if (!s->free[i - 1].port)
			return reserve(s, &s->free[i - 1], NULL) == 0;
	if (s->n >= SLOTS_AHEAD || new_domid(s, &fresh.domid, NULL) < 0)
		return false;
	if (reserve(s, &fresh, NULL) < 0) {
		s->next = fresh.domid;
		return false;
	}
	slot_put_last(s, &fresh);
	return true;
}
