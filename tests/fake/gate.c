/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests on the fake that are let run to their gate: what the kit does there. */
#include "tests/fake/private.h"

#include <sys/mman.h>

#include <noxs/abi.h>

static enum fake_gate way;

void fake_set_gate(enum fake_gate g)
{
	way = g;
}

static void raise_ports(uint32_t domid)
{
	for (uint32_t i = 0; i < PORTS; i++)
		if (fake_ports[i].used && !fake_ports[i].virq && fake_ports[i].domid == domid)
			fake_raise(&fake_ports[i]);
}

void fake_to_gate(struct domain *d)
{
	struct noxs_page *page = d->two[0] ? fake_page(d->id, d->two[0]) : NULL;
	struct noxs_control *c = page ? fake_page(d->id, d->two[1]) : NULL;

	if (c && page->magic == NOXS_MAGIC && page->flags & NOXS_FLAG_GATE &&
	    page->gate == NOXS_GATE_CLOSED && way != FAKE_NEVER_COMES) {
		if (way == FAKE_WAITS)
			c->waits = NOXS_WAITS;
		else
			c->state = NOXS_STATE_READY;
		raise_ports(d->id);
	}
	if (c)
		(void)munmap(c, PAGE);
	if (page)
		(void)munmap(page, PAGE);
}
