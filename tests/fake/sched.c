/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake's scheduler: credit2's rate limit, and the weight of dom0. */
#include "tests/fake/private.h"

static struct fake_sched sched = {.ratelimit_us = 1000, .dom0_weight = 256};

void fake_sched_get(struct fake_sched *out)
{
	(void)pthread_mutex_lock(&fake_lock);
	*out = sched;
	(void)pthread_mutex_unlock(&fake_lock);
}

void fake_sched_set(const struct fake_sched *s)
{
	(void)pthread_mutex_lock(&fake_lock);
	sched = *s;
	(void)pthread_mutex_unlock(&fake_lock);
}

int xen_domain_sched(struct xen *x, uint32_t domid, uint32_t weight, uint32_t cap)
{
	ENTER();
	(void)x;
	(void)cap;
	if (domid == 0 && weight)
		sched.dom0_weight = weight;
	return fake_leave(domid == 0 || fake_find(domid) ? 0 : -ESRCH);
}

int xen_domain_weight(struct xen *x, uint32_t domid, uint32_t *weight)
{
	ENTER();
	(void)x;
	if (sched.other)
		return fake_leave(-ENOSYS);
	*weight = sched.dom0_weight;
	return fake_leave(domid == 0 ? 0 : -ESRCH);
}

int xen_ratelimit(struct xen *x, uint32_t *us)
{
	ENTER();
	(void)x;
	*us = sched.ratelimit_us;
	return fake_leave(sched.other ? -ENOSYS : 0);
}

int xen_set_ratelimit(struct xen *x, uint32_t us)
{
	ENTER();
	(void)x;
	sched.ratelimit_us = us;
	return fake_leave(0);
}
