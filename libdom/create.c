/* SPDX-License-Identifier: BSD-3-Clause */
/* Creates a domain in Xen, without memory: limits of Xen's tables (grants, mappings of grants,
 * event channels), vCPUs, the maximal memory, and scheduling parameters. */
#include "libdom/build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Pages beyond RAM: store, console, ACPI; images of others get what xl gives. */
#define SLACK_KIB	 16u
#define OTHERS_SLACK_KIB 1024u

/* A noxs guest maps no grants of other domains, and has few rings; each frame has 512 grants. */
static const struct xen_domain_config small = {.max_evtchn_port = 127,
					       .max_grant_frames = 4,
					       .max_maptrack_frames = 0,
					       .grant_version = 1};
/* What xl gives. */
static const struct xen_domain_config usual = {.max_evtchn_port = 1023,
					       .max_grant_frames = XEN_HOST_LIMIT,
					       .max_maptrack_frames = XEN_HOST_LIMIT,
					       .grant_version = 0};

/* The requested limits, and defaults of such an image for the others, in Xen's form. */
static void limits(const struct dom_limits *l, bool noxs, struct xen_domain_config *c)
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

	limits(l, noxs, &c);
	return c.max_evtchn_port;
}

/* Xen has refused the limits: -EINVAL, and e names those that were requested. */
static int limits_refused(const struct dom_limits *l, struct err *e)
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
		       "%s: Xen refuses a domain with these values; use smaller ones, or boot Xen "
		       "with higher limits (gnttab_max_frames, gnttab_max_maptrack_frames, gnttab)",
		       text);
}

static int create(struct xen *x, struct dom *d, const struct dom_spec *s, struct err *e)
{
	struct xen_domain_config c = {
		.hvm = s->type == DOM_PVH,
		.domid = s->domid,
		.max_vcpus = s->vcpus,
	};
	int rc;

	limits(&s->limits, d->build->noxs, &c);
	memcpy(c.uuid, s->uuid, sizeof(c.uuid));
	rc = xen_domain_create(x, &c, &d->domid);
	if (rc == -ENOMEM)
		return err_set(e, ENOMEM, "not enough memory: Xen has none left for a domain");
	if (rc == -EINVAL && s->limits.asked & DOM_LIMITS)
		return limits_refused(&s->limits, e);
	if (rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENODEV)
		return err_set(e, EOPNOTSUPP, "this host cannot create %s domains",
			       s->type == DOM_PV ? "PV" : "PVH");
	if (rc < 0)
		return err_sys(e, -rc, "create the domain");
	return 0;
}

static int set_limits(struct xen *x, const struct dom *d, const struct dom_spec *s, struct err *e)
{
	uint64_t max = s->maxmem_kib > d->max_pages * 4 ? s->maxmem_kib : d->max_pages * 4;
	uint64_t pool = s->type == DOM_PVH ? pvh_paging_pool(max, s->vcpus) : 0;
	int rc = xen_domain_max_vcpus(x, d->domid, s->vcpus);

	if (rc < 0)
		return err_sys(e, -rc, "give domain %u its %u vCPUs", d->domid, s->vcpus);
	rc = xen_domain_max_mem(x, d->domid, max + (d->build->noxs ? SLACK_KIB : OTHERS_SLACK_KIB));
	if (rc < 0)
		return err_sys(e, -rc, "limit the memory of domain %u", d->domid);
	if (pool) {
		rc = xen_set_paging_pool(x, d->domid, pool);
		if (rc == -ENOMEM)
			return err_set(e, ENOMEM,
				       "not enough memory for the paging pool (%llu KiB)",
				       (unsigned long long)pool >> 10);
		if (rc < 0)
			return err_sys(e, -rc, "set the paging pool of domain %u", d->domid);
	}
	if (d->build->direct)
		return 0;
	/* Kernels that read CPUID expect the values that other toolstacks set. */
	rc = xen_tsc_default(x, d->domid);
	if (rc == 0)
		rc = xen_cpuid_default(x, d->domid);
	if (rc < 0)
		return err_sys(e, -rc, "set the CPU policy of domain %u", d->domid);
	return 0;
}

/* --- the scheduler --- */

static int pin(struct xen *x, uint32_t domid, uint32_t vcpus, const struct dom_cpus *c,
	       struct err *e)
{
	for (uint32_t i = 0; i < vcpus && (c->n == 0 || i < c->n); i++) {
		const uint8_t *map = c->map + (c->n ? (size_t)i * c->bytes : 0);
		int rc = xen_vcpu_affinity(x, domid, i, map, c->bytes);

		if (rc < 0)
			return err_sys(e, -rc, "tie vCPU %u to its CPUs", i);
	}
	return 0;
}

int dom_schedule(struct xen *x, const struct dom *d, const struct dom_spec *s, struct err *e)
{
	int rc = 0;

	if (s->weight || s->cap != UINT32_MAX)
		rc = xen_domain_sched(x, d->domid, s->weight, s->cap);
	if (rc < 0)
		return err_sys(e, -rc, "set weight %u, cap %d", s->weight,
			       s->cap == UINT32_MAX ? -1 : (int)s->cap);
	return s->cpus.map ? pin(x, d->domid, s->vcpus, &s->cpus, e) : 0;
}

int build_create(struct xen *x, struct dom *d, const struct dom_spec *s, uint64_t *since,
		 struct err *e)
{
	int rc = create(x, d, s, e);

	build_lap(d, DOM_T_CREATE, since);
	if (rc == 0)
		rc = set_limits(x, d, s, e);
	if (rc == 0)
		rc = dom_schedule(x, d, s, e);
	build_lap(d, DOM_T_VCPUS, since);
	return rc;
}
