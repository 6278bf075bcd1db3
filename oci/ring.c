/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest may be hostile: its offer is taken once, and what it writes is checked by
 * guests/linux/link/ring.c. */
#include "oci/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/gntdev.h"
#include "oci/session.h"
#include "oci/vm.h"

#define RING_AFTER 32768u /* bytes by the channel: then a ring is worth its pages */
#define RESERVE	   16384u /* of the ring, which input leaves for other messages */
#define TIMES_MAX  100u	  /* that a guest may connect its channel again while it has a ring */

void ring_count(struct linux_monitor *m, size_t n)
{
	struct host_ring *r = &m->ring;

	if (m->agent.link.ring || r->moved >= RING_AFTER)
		return;
	r->moved += (uint32_t)n;
	if (r->moved < RING_AFTER)
		return;
	r->asked = true;
	(void)agent_say_u32(&m->agent, LINK_RING_ASK, 0, ++r->number);
}

void ring_close(struct linux_monitor *m)
{
	struct host_ring *r = &m->ring;

	m->agent.link.ring = NULL;
	m->agent.ring = NULL;
	gntdev_unmap(r->pages, RING_ALL);
	r->pages = NULL;
	free(r->sent);
	r->sent = NULL;
}

static void fail(struct linux_monitor *m, const char *why)
{
	struct err e = {0};

	ring_close(m);
	m->ring.refused = true;
	(void)err_set(&e, EPROTO, "%s", why);
	monitor_fail(m, 137, &e);
}

/* --- it is mapped --- */

/* The id is of the VM if that has it before and after: a domain whose page is mapped keeps its own.
 */
static int map(struct linux_monitor *m, const uint8_t *refs, void **pages)
{
	uint32_t ref[RING_ALL];
	struct chaos_vm vm;
	uint32_t domid;
	int rc;

	if (vm_info(m->c->uuid, &vm, NULL) < 0)
		return -EAGAIN;
	domid = vm.domid;
	for (uint32_t i = 0; i < RING_ALL; i++)
		ref[i] = link_get32(refs + 4 * i);
	rc = gntdev_map(domid, ref, RING_ALL, pages);
	if (rc < 0)
		return rc;
	if (vm_info(m->c->uuid, &vm, NULL) < 0 || vm.domid != domid) {
		gntdev_unmap(*pages, RING_ALL);
		return -EAGAIN;
	}
	m->ring.domid = domid;
	return 0;
}

static void begin(struct linux_monitor *m, void *pages)
{
	struct host_ring *r = &m->ring;

	r->pages = pages;
	if (!r->taken) {
		ring_init(&r->ring, pages, true);
		r->ring.copy = r->sent;
		r->taken = true;
		m->agent.ring = &r->ring; /* from the message after this one on */
		(void)agent_say(&m->agent, LINK_RING_USE, 0, NULL, 0);
		return;
	}
	ring_move(&r->ring, pages);
	r->held = false;
	m->agent.held = false;
	m->agent.link.ring = &r->ring;
	r->look = true;
	link_bell(&m->agent.link);
}

/* The VM was restored: what it has granted is void. */
static void lost(struct linux_monitor *m)
{
	struct host_ring *r = &m->ring;
	uint8_t b[12];

	if (++r->times > TIMES_MAX) {
		fail(m, "the guest has connected its channel too often");
		return;
	}
	gntdev_unmap(r->pages, RING_ALL);
	r->pages = NULL;
	m->agent.link.ring = NULL;
	r->look = false;
	r->asked = true;
	r->held = m->agent.held = r->taken;
	link_put32(b, ++r->number);
	link_put32(b + 4, r->ring.in.at);
	link_put32(b + 8, r->ring.out.at);
	(void)agent_say_first(&m->agent, LINK_RING_AGAIN, 0, b, sizeof(b));
}

/* Without one all goes through the channel, if it went through it before. */
static void offered(struct linux_monitor *m, const uint8_t *data, size_t len)
{
	struct host_ring *r = &m->ring;
	void *pages = NULL;
	int rc = -EPROTO;

	if (!r->asked || len < 4 || link_get32(data) != r->number)
		return; /* not asked for; or of before it was restored */
	r->asked = false;
	if (len == 12 + 4 * RING_ALL && link_get32(data + 4) == RING_VERSION &&
	    link_get32(data + 8) == RING_PAGES)
		rc = r->sent || (r->sent = malloc(RING_SIZE)) ? map(m, data + 12, &pages) : -ENOMEM;
	if (rc == 0)
		begin(m, pages);
	else if (r->held && rc == -EAGAIN)
		lost(m);
	else if (r->held)
		fail(m, "the VM was restored, and its ring cannot be mapped again");
	else
		r->refused = true;
}

void ring_message(struct linux_monitor *m, uint8_t type, const uint8_t *data, size_t len)
{
	struct host_ring *r = &m->ring;

	if (type == LINK_RING) {
		offered(m, data, len);
	} else if (r->taken && !r->used) {
		r->used = r->look = true;
		for (uint8_t i = 0; i < LINK_SESSIONS; i++)
			for (int k = 0; m->session[i] && m->session[i]->runs && k < 2; k++)
				m->session[i]->out[k].owed += RING_STREAM - LINK_STREAM;
	}
}

void ring_check(struct linux_monitor *m, bool fresh)
{
	struct host_ring *r = &m->ring;
	struct chaos_vm vm;

	if (r->refused || (!r->pages && !r->asked))
		return;
	if (fresh && r->pages && vm_info(m->c->uuid, &vm, NULL) == 0 && vm.domid == r->domid)
		return;
	if (fresh && !r->pages)
		return;
	lost(m);
}

/* --- its records --- */

void ring_serve(struct linux_monitor *m)
{
	struct host_ring *r = &m->ring;
	uint8_t bytes[LINK_MESSAGE];
	struct ring_record rec;
	uint32_t taken = 0;

	while (!m->ended && r->look && r->used && r->pages && taken < RING_SIZE &&
	       ring_next(&r->ring, &rec) > 0) {
		taken += RING_HEAD + rec.len;
		if (rec.type == LINK_OUTPUT || rec.type == LINK_ERRORS) {
			session_output(m, rec.session, rec.type == LINK_ERRORS, &rec);
		} else if (rec.len <= sizeof(bytes)) {
			ring_copy(bytes, &rec, 0, rec.len);
			session_message(m, rec.type, rec.session, bytes, rec.len);
		}
		if (ring_release(&r->ring, &rec))
			link_bell(&m->agent.link);
	}
}

void ring_sleep(struct linux_monitor *m)
{
	struct host_ring *r = &m->ring;

	if (m->agent.link.ring && (m->agent.first || !ring_has_room(m)))
		(void)ring_sleeps_for_room(&r->ring, RESERVE + RING_HEAD);
	if (r->pages && r->used && r->look)
		r->look = !ring_sleeps_for_data(&r->ring);
	if (r->pages && r->ring.broken)
		fail(m, "the guest has written impossible numbers into its ring");
}

bool ring_has_room(struct linux_monitor *m)
{
	return ring_room(&m->ring.ring) > RESERVE;
}

ssize_t ring_read(struct linux_monitor *m, int fd, uint8_t session, uint32_t most)
{
	struct ring *r = &m->ring.ring;
	uint32_t room = ring_room(r);
	struct iovec to[2];
	ssize_t n;

	room = room > RESERVE ? room - RESERVE : 0;
	most = (uint32_t)ring_place(r, most < room ? most : room, to);
	if (most == 0)
		return -EAGAIN;
	n = readv(fd, to, 2);
	if (n > 0 && ring_commit(r, LINK_INPUT, session, (uint32_t)n))
		link_bell(&m->agent.link);
	return n < 0 ? -errno : n;
}
