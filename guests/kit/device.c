/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices out of the device page: nothing to do but to bind a channel. Without a page: classic.c.
 */
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

static bool bind(struct kit_device *d, volatile struct noxs_evtchn *e)
{
	struct evtchn_bind_interdomain bind = {
		.remote_dom = (domid_t)e->remote_domid,
		.remote_port = e->remote_port,
	};

	d->port = e->local_port;
	d->backend = (domid_t)e->remote_domid;
	for (uint32_t i = 0; !d->port && i < BIND_TRIES; i++) {
		if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind) ==
		    0) {
			d->port = bind.local_port;
			e->local_port = bind.local_port; /* for the next one that opens it */
		} else {
			kit_wait(BIND_AGAIN_NS);
			bind.remote_port = e->remote_port;
		}
	}
	return d->port;
}

static bool by_page(struct kit_device *d, uint16_t type, uint16_t index)
{
	uint32_t ndev = kit.page->ndev;

	for (uint32_t i = 0; i < ndev && i < NOXS_MAX_DEVICES; i++) {
		volatile struct noxs_device *from = &kit.page->dev[i];

		if (from->type != type || from->index != index)
			continue;
		d->flags = from->flags;
		for (int r = 0; r < 2; r++) {
			d->ring[r] = (void *)(from->ring[r].gfn * PAGE_SIZE);
			d->gref[r] = from->ring[r].gref;
		}
		d->vif = from->u.vif;
		d->vbd = from->u.vbd;
		if (bind(d, &from->evtchn))
			return true;
		kit_print("device %u of type %u: no event channel\r\n", index, type);
	}
	return false;
}

bool kit_device_open(struct kit_device *d, enum noxs_device_type type, uint16_t index)
{
	d->type = (uint16_t)type;
	d->index = index;
	d->classic = !kit.page;
	if (!(kit.page ? by_page(d, (uint16_t)type, index) : classic_open(d)))
		return false;
	kit_listen(d->port);
	kit_cannot_save(); /* its rings and grants are of this domain */
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
