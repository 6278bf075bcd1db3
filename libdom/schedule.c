/* SPDX-License-Identifier: BSD-3-Clause */
/* What Xen's scheduler is told of a domain: weight, cap, and which CPUs may run which vCPU. */
#include "libdom/libdom.h"

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
