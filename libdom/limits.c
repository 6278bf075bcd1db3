/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of Xen's tables a domain may use: grants, mappings of grants, event channels. */
#include "libdom/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A noxs guest maps no grants of others, and has a few rings; each frame has 512 grants. */
static const struct xen_domain_config small = {.max_evtchn_port = 127,
					       .max_grant_frames = 4,
					       .max_maptrack_frames = 0,
					       .grant_version = 1};
/* What xl gives. */
static const struct xen_domain_config usual = {.max_evtchn_port = 1023,
					       .max_grant_frames = XEN_HOST_LIMIT,
					       .max_maptrack_frames = XEN_HOST_LIMIT,
					       .grant_version = 0};

void build_limits(const struct dom_limits *l, bool noxs, struct xen_domain_config *c)
{
	const struct xen_domain_config *d = noxs ? &small : &usual;
	uint32_t asked = l->asked;

	c->max_grant_frames =
		asked & DOM_LIMIT_GRANT_FRAMES ? l->grant_frames : d->max_grant_frames;
	c->max_maptrack_frames =
		asked & DOM_LIMIT_MAPTRACK_FRAMES ? l->maptrack_frames : d->max_maptrack_frames;
	c->grant_version = asked & DOM_LIMIT_GRANT_VERSION ? l->grant_version : d->grant_version;
	c->max_evtchn_port = asked & DOM_LIMIT_EVTCHN_PORT ? l->evtchn_port : d->max_evtchn_port;
}

uint32_t dom_evtchn_port_max(const struct dom_limits *l, bool noxs)
{
	struct xen_domain_config c;

	build_limits(l, noxs, &c);
	return c.max_evtchn_port;
}

int build_limits_refused(const struct dom_limits *l, struct err *e)
{
	const struct {
		uint32_t bit;
		const char *key;
		uint32_t value;
	} all[] = {{DOM_LIMIT_GRANT_FRAMES, "max_grant_frames", l->grant_frames},
		   {DOM_LIMIT_MAPTRACK_FRAMES, "max_maptrack_frames", l->maptrack_frames},
		   {DOM_LIMIT_GRANT_VERSION, "max_grant_version", l->grant_version},
		   {DOM_LIMIT_EVTCHN_PORT, "max_event_channels", l->evtchn_port}};
	char text[160] = "";

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t used = strlen(text);

		if (l->asked & all[i].bit)
			(void)snprintf(text + used, sizeof(text) - used, "%s%s %u",
				       used ? ", " : "", all[i].key, all[i].value);
	}
	return err_set(e, EINVAL,
		       "%s: this Xen refuses a domain with that; give less, or boot Xen with more "
		       "(gnttab_max_frames, gnttab_max_maptrack_frames, gnttab)",
		       text);
}
