/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices from the device page: only the channel must be bound. Without a page: classic.c. */
#include "dev.h"

#include <xen/event_channel.h>
#include <xen/sched.h>

#include "classic.h"
#include "hypercall.h"

#define BIND_TRIES    200u
#define BIND_AGAIN_NS 10000000u

void kit_device_notify(const struct kit_device *d)
{
	struct evtchn_send send = {.port = d->port};

	(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static struct kit_device *opened;

static volatile struct noxs_device *in_page(uint16_t type, uint16_t index)
{
	uint32_t ndev = kit.page->ndev;

	for (uint32_t i = 0; i < ndev && i < NOXS_MAX_DEVICES; i++)
		if (kit.page->dev[i].type == type && kit.page->dev[i].index == index)
			return &kit.page->dev[i];
	return NULL;
}

static void take_up(struct kit_device *d, volatile struct noxs_device *from)
{
	d->flags = from->flags;
	for (int r = 0; r < 2; r++) {
		d->ring[r] = (void *)(from->ring[r].gfn * PAGE_SIZE);
		d->gref[r] = from->ring[r].gref;
	}
	d->vif = from->u.vif;
	d->vbd = from->u.vbd;
}

/* One try. dom0 may bind the channel meanwhile, if the guest continues as another domain. */
static bool bind_once(struct kit_device *d, volatile struct noxs_evtchn *e)
{
	struct evtchn_bind_interdomain bind = {
		.remote_dom = (domid_t)e->remote_domid,
		.remote_port = e->remote_port,
	};

	d->port = e->local_port;
	if (!d->port &&
	    hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind) == 0) {
		d->port = bind.local_port;
		e->local_port = bind.local_port; /* for the next one that opens it */
	}
	d->backend = (domid_t)e->remote_domid;
	return d->port;
}

/* While it waits the guest may be saved and continue with another device page: values that were
 * read from the page before a wait must be read again after it. */
static bool by_page(struct kit_device *d, uint16_t type, uint16_t index)
{
	for (uint32_t i = 0; i < BIND_TRIES; i++) {
		volatile struct noxs_device *from = in_page(type, index);

		if (!from)
			return false;
		if (bind_once(d, &from->evtchn)) {
			take_up(d, from);
			return true;
		}
		kit_wait(BIND_AGAIN_NS);
	}
	kit_print("device %u of type %u: no event channel\r\n", index, type);
	return false;
}

/* --- going on in another domain --- */

/* dom0 has bound its channel: no wait is needed. */
static void take_up_again(struct kit_device *d)
{
	volatile struct noxs_device *from = in_page(d->type, d->index);

	d->port = 0;
	if (from) {
		take_up(d, from);
		d->port = from->evtchn.local_port;
		d->backend = (domid_t)from->evtchn.remote_domid;
	}
	if (d->port)
		kit_listen(d->port);
	if (d->resume)
		d->resume(d);
}

static void resume_all(void)
{
	kit_grants_renew();
	for (struct kit_device *d = opened; d; d = d->next)
		take_up_again(d);
}

static bool quiesce_all(void)
{
	for (struct kit_device *d = opened; d; d = d->next)
		if (d->quiesce && !d->quiesce(d))
			return false;
	return true;
}

static void remember(struct kit_device *d)
{
	struct kit_device *o = opened;

	while (o && o != d)
		o = o->next;
	if (o) /* it is opened once more */
		return;
	d->next = opened;
	opened = d;
	kit.resume_devices = resume_all;
	kit.quiesce_devices = quiesce_all;
}

bool kit_device_open(struct kit_device *d, enum noxs_device_type type, uint16_t index)
{
	d->type = (uint16_t)type;
	d->index = index;
	d->classic = !kit.page;
	if (!(kit.page ? by_page(d, (uint16_t)type, index) : classic_open(d)))
		return false;
	kit_listen(d->port);
	if (!d->resume)
		kit_cannot_save(); /* its rings and grants are of this domain */
	remember(d);
	return true;
}

void kit_device_close(struct kit_device *d)
{
	if (d->classic)
		classic_close(d);
}

void kit_idle(uint64_t timeout_ns)
{
	if (!kit.page)
		classic_power();
	kit_wait(timeout_ns);
}
