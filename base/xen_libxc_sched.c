/* SPDX-License-Identifier: BSD-3-Clause */
/* Xen's scheduler: weights, caps, and how soon a running vCPU may be preempted. */
#include "base/xen_private.h"

#include <errno.h>

/* chaosd's domains and dom0 are in the CPU pool that Xen boots with. */
#define POOL 0u

static int sched_credit(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap)
{
	struct xen_domctl_sched_credit s;

	if (xc_sched_credit_domain_get(x->xch, domid, &s) < 0)
		return -errno;
	if (weight)
		s.weight = (uint16_t)weight;
	if (cap != UINT32_MAX)
		s.cap = (uint16_t)cap;
	return xc_sched_credit_domain_set(x->xch, domid, &s) < 0 ? -errno : 0;
}

static int sched_credit2(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap)
{
	struct xen_domctl_sched_credit2 s;

	if (xc_sched_credit2_domain_get(x->xch, domid, &s) < 0)
		return -errno;
	if (weight)
		s.weight = (uint16_t)weight;
	if (cap != UINT32_MAX)
		s.cap = (uint16_t)cap;
	return xc_sched_credit2_domain_set(x->xch, domid, &s) < 0 ? -errno : 0;
}

/* 0, or the reason why the scheduler is not known. */
static int find_scheduler(struct xen *x)
{
	return x->scheduler < 0 && xc_sched_id(x->xch, &x->scheduler) < 0 ? -errno : 0;
}

int xen_domain_sched(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap)
{
	int rc = find_scheduler(x);

	if (weight > UINT16_MAX || (cap != UINT32_MAX && cap > UINT16_MAX))
		return -EINVAL;
	if (rc < 0)
		return rc;
	switch (x->scheduler) {
	case XEN_SCHEDULER_CREDIT:
		return sched_credit(x, domid, weight, cap);
	case XEN_SCHEDULER_CREDIT2:
		return sched_credit2(x, domid, weight, cap);
	default:
		return -ENOSYS;
	}
}

int xen_domain_weight(struct xen *x, uint32_t domid, uint32_t *weight)
{
	struct xen_domctl_sched_credit2 s;
	int rc = find_scheduler(x);

	if (rc == 0 && x->scheduler != XEN_SCHEDULER_CREDIT2)
		rc = -ENOSYS;
	if (rc == 0 && xc_sched_credit2_domain_get(x->xch, domid, &s) < 0)
		rc = -errno;
	if (rc == 0)
		*weight = s.weight;
	return rc;
}

int xen_ratelimit(struct xen *x, uint32_t *us)
{
	struct xen_sysctl_credit2_schedule s;
	int rc = find_scheduler(x);

	if (rc == 0 && x->scheduler != XEN_SCHEDULER_CREDIT2)
		rc = -ENOSYS;
	if (rc == 0 && xc_sched_credit2_params_get(x->xch, POOL, &s) < 0)
		rc = -errno;
	if (rc == 0)
		*us = s.ratelimit_us;
	return rc;
}

int xen_set_ratelimit(struct xen *x, uint32_t us)
{
	struct xen_sysctl_credit2_schedule s = {.ratelimit_us = us};
	uint32_t now;
	int rc = xen_ratelimit(x, &now);

	if (rc == 0 && xc_sched_credit2_params_set(x->xch, POOL, &s) < 0)
		rc = -errno;
	return rc;
}
