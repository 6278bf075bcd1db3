/* SPDX-License-Identifier: BSD-3-Clause */
/* base/xen.h on the fake: event channels as numbers, pending ones on an eventfd. */
#include "tests/fake/private.h"

#include <sys/eventfd.h>

/* --- event channels --- */

int xen_evtchn_alloc(struct xen *x, uint32_t domid, uint32_t remote, uint32_t *port)
{
	(void)remote;
	ONE_DOMAIN({
		*port = ++d->guest_ports;
		fake_held.guest_ports++;
	});
}

int xen_evtchn_fd(struct xen *x)
{
	return x->fd;
}

void fake_drop_port(struct port *p)
{
	if (p->reserved)
		fake_held.reserved--;
	else
		fake_held.ports--;
	*p = (struct port){0};
}

static int new_port(struct xen *x, struct port p, uint32_t *out)
{
	for (uint32_t i = 1; i < PORTS; i++) {
		if (fake_ports[i].used)
			continue;
		fake_ports[i] = p;
		fake_ports[i].used = true;
		fake_ports[i].x = x;
		if (p.reserved)
			fake_held.reserved++;
		else
			fake_held.ports++;
		*out = i;
		return 0;
	}
	return -ENOSPC;
}

int xen_evtchn_bind(struct xen *x, uint32_t domid, uint32_t remote_port, uint32_t *port)
{
	ENTER();
	const struct domain *d = fake_find(domid);

	if (!d)
		rc = -ESRCH;
	else if (remote_port > d->guest_ports + d->bound)
		rc = -EINVAL; /* it is closed */
	else
		rc = new_port(x, (struct port){.domid = domid, .remote = remote_port}, port);
	if (rc == 0)
		fake_raise(&fake_ports[*port]); /* as Xen does at every bind */
	return fake_leave(rc);
}

int xen_evtchn_reserve(struct xen *x, uint32_t domid, uint32_t *port)
{
	ENTER();
	return fake_leave(new_port(x, (struct port){.domid = domid, .reserved = true}, port));
}

/* Those that were made for the guest are as if nothing had bound to them. */
int xen_evtchn_find(struct xen *x, uint32_t domid, uint32_t first, uint32_t limit, uint32_t *port)
{
	(void)limit;
	ONE_DOMAIN({
		if (first > d->guest_ports + d->bound)
			return fake_leave(-ENOENT);
		*port = first;
	});
}

int xen_evtchn_bind_virq(struct xen *x, uint32_t virq, uint32_t *port)
{
	ENTER();
	(void)virq;
	return fake_leave(new_port(x, (struct port){.virq = true}, port));
}

int xen_evtchn_unbind(struct xen *x, uint32_t port)
{
	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	if (port < PORTS && fake_ports[port].used) {
		fake_drop_port(&fake_ports[port]);
	}
	return fake_leave(0);
}

int xen_evtchn_reset(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN({
		d->bound = false;
		fake_held.guest_ports -= d->guest_ports;
		d->guest_ports = 0;
	});
}

int xen_evtchn_notify(struct xen *x, uint32_t port)
{
	ENTER();
	(void)x;
	return fake_leave(port < PORTS && fake_ports[port].used ? 0 : -ENOENT);
}

int xen_evtchn_pending(struct xen *x, uint32_t *port)
{
	eventfd_t value;

	(void)pthread_mutex_lock(&fake_lock);
	(void)eventfd_read(x->fd, &value);
	for (uint32_t i = 1; i < PORTS; i++) {
		if (!fake_ports[i].used || fake_ports[i].x != x || !fake_ports[i].pending ||
		    fake_ports[i].masked)
			continue;
		fake_ports[i].pending = false;
		fake_ports[i].masked = true;
		*port = i;
		(void)eventfd_write(x->fd, 1); /* there may be more */
		return fake_leave(0);
	}
	return fake_leave(-EAGAIN);
}

int xen_evtchn_unmask(struct xen *x, uint32_t port)
{
	(void)x;
	(void)pthread_mutex_lock(&fake_lock);
	fake_ports[port].masked = false;
	if (fake_ports[port].pending)
		fake_raise(&fake_ports[port]);
	return fake_leave(0);
}
