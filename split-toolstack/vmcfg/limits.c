/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys that say how much of Xen's tables a domain may use. */
#include "split-toolstack/vmcfg/private.h"

#include <stddef.h>
#include <string.h>

static const struct limit {
	const char *key;
	uint32_t bit;
	size_t offset; /* in struct dom_limits */
	uint32_t least, most;
	bool zero_is_none;
} limits[] = {
	{"max_grant_frames", DOM_LIMIT_GRANT_FRAMES, offsetof(struct dom_limits, grant_frames), 1,
	 INT32_MAX, false},
	{"max_maptrack_frames", DOM_LIMIT_MAPTRACK_FRAMES,
	 offsetof(struct dom_limits, maptrack_frames), 0, INT32_MAX, false},
	{"max_grant_version", DOM_LIMIT_GRANT_VERSION, offsetof(struct dom_limits, grant_version),
	 1, 2, false},
	{"max_event_channels", DOM_LIMIT_EVTCHN_PORT, offsetof(struct dom_limits, evtchn_port), 0,
	 DOM_EVTCHN_PORT_MAX, true},
};

int vmcfg_limit(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	struct dom_limits *to = &w->c->limits;
	const struct limit *l = limits;
	uint32_t n;
	int rc;

	while (strcmp(l->key, key) != 0)
		l++;
	rc = vmcfg_number(key, value, l->least, l->most, &n, e);
	if (rc < 0)
		return rc;
	to->asked |= l->bit;
	if (n == 0 && l->zero_is_none)
		to->asked &= ~l->bit;
	memcpy((char *)to + l->offset, &n, sizeof(n));
	return 0;
}

int vmcfg_fork(struct vmcfg_walk *w, const char *key, const char *value, struct err *e)
{
	struct vm_config *c = w->c;
	bool depth = strcmp(key, "fork_depth") == 0;
	uint32_t n;
	int rc = vmcfg_number(key, value, depth ? 1 : 0,
			      depth ? VM_FORK_DEPTH_MAX : NOXS_CHILDREN_MAX, &n, e);

	if (rc < 0)
		return rc;
	if (depth)
		c->fork_depth = n;
	else
		c->fork = n;
	if (c->fork && c->fork_depth == 0)
		c->fork_depth = 1;
	if (c->fork && !(c->limits.asked & DOM_LIMIT_MAPTRACK_FRAMES)) {
		c->limits.asked |= vm_fork_limits.asked;
		c->limits.maptrack_frames = vm_fork_limits.maptrack_frames;
	}
	return 0;
}
