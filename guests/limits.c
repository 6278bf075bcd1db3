/* SPDX-License-Identifier: BSD-3-Clause */
/* limits: says how much of Xen's tables it may use. Its last act is to ask for grant tables of
 * version 2. */
#include "kit/kit.h"

#include <xen/event_channel.h>
#include <xen/grant_table.h>

#include "kit/hypercall.h"

static unsigned int grant_frames(void)
{
	struct gnttab_query_size q = {.dom = DOMID_SELF};

	if (hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, (uint64_t)&q, 1, 0) < 0 ||
	    q.status != GNTST_okay)
		return 0;
	return q.max_nr_frames;
}

/* Xen looks for room to note a mapping before it looks at the reference, which dom0 never gave. */
static bool may_map(void)
{
	struct gnttab_map_grant_ref m = {
		.flags = GNTMAP_host_map | GNTMAP_readonly, .ref = 0x7fffffff, .dom = 0};

	return hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (uint64_t)&m, 1, 0) ==
		       0 &&
	       m.status == GNTST_bad_gntref;
}

/* The highest that Xen gives. */
static unsigned int event_channels(void)
{
	unsigned int highest = 0;

	for (;;) {
		struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};

		if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &a) < 0)
			return highest;
		highest = a.port;
	}
}

static unsigned int grant_version(void)
{
	struct gnttab_set_version v = {.version = 2};

	return hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_set_version, (uint64_t)&v, 1, 0) == 0
		       ? 2
		       : 1;
}

int guest_main(void)
{
	unsigned int frames = grant_frames();
	unsigned int ports = event_channels();

	kit_print("limits: %u grant frames, mappings %s, event channels up to %u, ", frames,
		  may_map() ? "yes" : "no", ports);
	kit_print("grant version %u\r\n", grant_version());
	kit_ready();
	return 0;
}
