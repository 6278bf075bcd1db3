/* SPDX-License-Identifier: BSD-3-Clause */
/* Children: the request, its two returns, and bytes over two shared pages. */
#include "fork.h"

#include "dev.h"

#include <xen/event_channel.h>

#include "hypercall.h"

#define LOOK_NS	 50000000u /* an event may have come before the channel was listened to */
#define PVH_SLOT 8u	   /* frames behind shared info, where nothing else is: mapped, and empty */

/* A page with the bytes of one direction. Indices are not reduced modulo the size. */
struct channel_ring {
	uint32_t prod, cons;
	uint8_t data[CHANNEL_BYTES];
};

static struct {
	void *page[NOXS_FORK_PAGES]; /* made at its first use, for good */
	bool used;
} slots[NOXS_CHILDREN_MAX];

/* The end of this guest's own parent. */
static struct {
	bool mapped;
	void *at[NOXS_FORK_PAGES];     /* where it is mapped: PV: over pages of its own ... */
	uint64_t own[NOXS_FORK_PAGES]; /* ... which are these frames */
	uint32_t handle[NOXS_FORK_PAGES];
	uint32_t gref;
	domid_t parent;
} up;

/* --- pages of the parent --- */

static bool find_room(void)
{
	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++) {
		if (up.at[i])
			continue;
		up.at[i] =
			kit.pv ? kit_pages(1)
			       : (void *)((kit.page->shared_info_gfn + PVH_SLOT + i) * PAGE_SIZE);
		if (!up.at[i])
			return false;
	}
	return true;
}

static bool map_up(void)
{
	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++) {
		struct gnttab_map_grant_ref map = {
			.host_addr = (uint64_t)up.at[i],
			.flags = GNTMAP_host_map,
			.ref = up.gref + i,
			.dom = up.parent,
		};

		if (kit.pv)
			up.own[i] = kit_frame(up.at[i]);
		if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (uint64_t)&map,
			      1, 0) ||
		    map.status != GNTST_okay)
			return false;
		up.handle[i] = map.handle;
		up.mapped = true;
	}
	return true;
}

/* PV: a guest that is copied may map only its own frames. */
static void unmap_up(void)
{
	for (uint32_t i = 0; kit.pv && up.mapped && i < NOXS_FORK_PAGES; i++) {
		struct gnttab_unmap_grant_ref unmap = {
			.host_addr = (uint64_t)up.at[i],
			.handle = up.handle[i],
		};

		(void)hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref,
				(uint64_t)&unmap, 1, 0);
		(void)hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)up.at[i],
				up.own[i] * PAGE_SIZE | 7, UVMF_INVLPG, 0);
	}
}

static void map_up_again(void)
{
	if (kit.pv && up.mapped)
		(void)map_up();
}

/* --- both ways on --- */

static void wait_no_more(uint32_t port)
{
	for (uint32_t i = 0; i < kit.listeners; i++)
		if (kit.listen[i] == port)
			kit.listen[i] = kit.listen[--kit.listeners];
}

static int as_child(struct noxs_channel *c)
{
	volatile struct noxs_fork *f = &kit.page->fork;

	for (uint32_t i = 0; i < NOXS_CHILDREN_MAX; i++)
		slots[i].used = false; /* they are its parent's */
	up.mapped = false;
	up.gref = f->gref;
	up.parent = (domid_t)f->evtchn.remote_domid;
	c->port = f->evtchn.local_port;
	c->life = kit.generation;
	c->in = c->out = NULL;
	if (f->pages == NOXS_FORK_PAGES && map_up()) {
		c->in = up.at[0];
		c->out = up.at[1];
	}
	kit_listen(c->port);
	return 0;
}

static int as_parent(struct noxs_channel *c, int result)
{
	volatile struct noxs_fork *f = &kit.page->fork;
	struct evtchn_bind_interdomain bind = {
		.remote_dom = (domid_t)f->evtchn.remote_domid,
		.remote_port = f->evtchn.remote_port,
	};

	map_up_again();
	if (result < 0) {
		slots[c->slot].used = false;
		return result;
	}
	c->port = 0;
	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind) == 0)
		c->port = bind.local_port;
	if (c->port)
		kit_listen(c->port);
	c->out = slots[c->slot].page[0];
	c->in = slots[c->slot].page[1];
	return result;
}

/* --- the request --- */

static int take_slot(struct noxs_channel *c)
{
	uint32_t s = 0;

	while (s < NOXS_CHILDREN_MAX && slots[s].used)
		s++;
	if (s == NOXS_CHILDREN_MAX)
		return -NOXS_FORK_EAGAIN;
	for (uint32_t i = 0; i < NOXS_FORK_PAGES; i++) {
		volatile struct channel_ring *r = slots[s].page[i];

		if (!r)
			r = slots[s].page[i] = kit_pages(1);
		if (!r)
			return -NOXS_FORK_ENOMEM;
		r->prod = r->cons = 0;
		kit.control->fork_frame[i] = (uint32_t)kit_frame(slots[s].page[i]);
	}
	slots[s].used = true;
	c->slot = s;
	return find_room() ? 0 : -NOXS_FORK_ENOMEM;
}

int noxs_fork(struct noxs_channel *c)
{
	uint32_t seq;
	int rc;

	if (!kit.page)
		return -NOXS_FORK_EOPNOTSUPP;
	rc = take_slot(c);
	if (rc < 0)
		return rc;
	unmap_up();
	seq = kit.control->fork_seq + 1;
	c->number = seq;
	c->life = kit.generation;
	kit.control->can |= NOXS_CAN_FORK;
	kit.control->fork_slot = c->slot;
	__atomic_store_n(&kit.control->fork_seq, seq, __ATOMIC_RELEASE);
	kit_notify();
	for (;;) {
		kit_wait_port(kit.port, LOOK_NS);
		if (kit.generation != c->life)
			break;
		if (__atomic_load_n(&kit.page->fork.seq, __ATOMIC_ACQUIRE) == seq &&
		    !(kit.page->seq & 1))
			return as_parent(c, kit.page->fork.result);
	}
	if (kit.page->fork.self == seq)
		return as_child(c);
	up.mapped = false;
	for (uint32_t i = 0; i < NOXS_CHILDREN_MAX; i++)
		slots[i].used = false;
	return -CHANNEL_EINTR;
}

/* Its status; 0: it runs. */
static uint16_t status_of(const struct noxs_channel *c)
{
	volatile struct noxs_child *is = &kit.page->fork.child[c->slot];
	uint16_t status = is->status;

	return is->number == (uint16_t)c->number ? status : 0;
}

bool noxs_ended(const struct noxs_channel *c)
{
	return c->life != kit.generation || status_of(c);
}

int noxs_wait(struct noxs_channel *c, uint64_t timeout_ns)
{
	uint64_t until = kit_time_ns() + timeout_ns;
	struct evtchn_close end = {.port = c->port};
	uint16_t status;

	for (;;) {
		uint64_t now = kit_time_ns();

		if (c->life != kit.generation)
			return -CHANNEL_ESRCH;
		status = status_of(c);
		if (status)
			break;
		if (timeout_ns && now >= until)
			return -NOXS_FORK_EAGAIN;
		kit_wait(timeout_ns && until - now < LOOK_NS ? until - now : LOOK_NS);
	}
	if (c->port) {
		wait_no_more(c->port);
		(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &end);
	}
	slots[c->slot].used = false;
	c->in = c->out = NULL;
	return status & NOXS_CHILD_ABNORMAL ? 256 : (int)(status & NOXS_CHILD_EXIT_CODE);
}

/* --- bytes --- */

static void notify(const struct noxs_channel *c)
{
	struct evtchn_send send = {.port = c->port};

	if (c->port)
		(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

uint32_t noxs_send(struct noxs_channel *c, const void *data, uint32_t len)
{
	volatile struct channel_ring *r = c->out;
	uint32_t n = 0;
	uint32_t prod;
	uint32_t used;

	if (!r || c->life != kit.generation)
		return 0;
	prod = r->prod;
	used = prod - __atomic_load_n(&r->cons, __ATOMIC_ACQUIRE);
	if (used > CHANNEL_BYTES) /* the other end lies */
		return 0;
	for (; n < len && n < CHANNEL_BYTES - used; n++)
		r->data[(prod + n) % CHANNEL_BYTES] = ((const uint8_t *)data)[n];
	__atomic_store_n(&r->prod, prod + n, __ATOMIC_RELEASE);
	if (n)
		notify(c);
	return n;
}

uint32_t noxs_receive(struct noxs_channel *c, void *data, uint32_t len)
{
	volatile struct channel_ring *r = c->in;
	uint32_t n = 0;
	uint32_t cons;
	uint32_t have;

	if (!r || c->life != kit.generation)
		return 0;
	cons = r->cons;
	have = __atomic_load_n(&r->prod, __ATOMIC_ACQUIRE) - cons;
	if (have > CHANNEL_BYTES)
		return 0;
	for (; n < len && n < have; n++)
		((uint8_t *)data)[n] = r->data[(cons + n) % CHANNEL_BYTES];
	__atomic_store_n(&r->cons, cons + n, __ATOMIC_RELEASE);
	if (n)
		notify(c);
	return n;
}
