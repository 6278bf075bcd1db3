/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads Xen's list of domains. */
#include "split-toolstack/engine/services/domains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Number of domains in the first hypercall, which is small so that less is copied. */
#define FEW 64u

int domains_walk(struct xen *x, domains_fn *fn, void *arg, struct err *e)
{
	struct xen_domain_info info[DOMAINS_AT_ONCE];
	uint32_t first = 1;
	uint32_t most = FEW;
	int n;

	while ((n = xen_domain_list(x, first, most, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (!fn(&info[i], arg))
				return 0;
		if ((uint32_t)n < most)
			return 0;
		first = info[n - 1].domid + 1;
		most = DOMAINS_AT_ONCE;
	}
	return n < 0 ? err_sys(e, -n, "read the list of domains from Xen") : 0;
}

/* --- when the daemon starts: with thousands of VMs one list is faster than a question for each ---
 */

struct census {
	struct xen_domain_info *domain; /* by rising id */
	uint32_t n, room;
	bool short_of_memory;
};

static bool note(const struct xen_domain_info *info, void *arg)
{
	struct census *c = arg;

	if (c->n == c->room) {
		uint32_t room = c->room ? c->room * 2 : DOMAINS_AT_ONCE;
		struct xen_domain_info *grown = realloc(c->domain, room * sizeof(*grown));

		if (!grown) {
			c->short_of_memory = true;
			return false;
		}
		c->domain = grown;
		c->room = room;
	}
	c->domain[c->n++] = *info;
	return true;
}

struct census *census_take(struct xen *x)
{
	struct census *c = calloc(1, sizeof(*c));

	if (c && domains_walk(x, note, c, NULL) == 0 && !c->short_of_memory)
		return c;
	census_free(c);
	return NULL;
}

void census_free(struct census *c)
{
	if (c)
		free(c->domain);
	free(c);
}

static int by_domid(const void *key, const void *at)
{
	uint32_t domid = *(const uint32_t *)key;
	uint32_t other = ((const struct xen_domain_info *)at)->domid;

	return domid < other ? -1 : domid > other;
}

int census_find(const struct census *c, struct xen *x, uint32_t domid, const uint8_t uuid[16],
		struct xen_domain_info *info)
{
	const struct xen_domain_info *found;
	int rc = 0;

	if (domid == 0)
		return 0;
	if (c) {
		found = c->n ? bsearch(&domid, c->domain, c->n, sizeof(*c->domain), by_domid)
			     : NULL;
		if (!found)
			return 0;
		*info = *found;
	} else {
		rc = xen_domain_info(x, domid, info);
	}
	if (rc == -ESRCH)
		return 0;
	return rc < 0 ? rc : memcmp(info->uuid, uuid, sizeof(info->uuid)) == 0;
}
