/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels: whose event a pending port is, and credit against storms of them. */
#ifndef CHAOS_ENGINE_SERVICES_PORTS_H
#define CHAOS_ENGINE_SERVICES_PORTS_H

#include "split-toolstack/engine/services/ports-t.h"

#include <errno.h>

#include <ev.h>

#include "base/err.h"

struct xen;

struct ports {
	struct ev_loop *loop;
	struct xen *x;
	struct port_user **user; /* by port */
	uint32_t n;
	struct port_user *masked; /* utlist head: those that wait for fresh credit */
	ev_io io;
	ev_timer credit; /* until the next period */
};

int ports_open(struct ev_loop *loop, struct xen *x, struct ports **out, struct err *e);
/* Nothing listens any more. NULL is fine. */
void ports_close(struct ports *p);
int ports_grow(struct ports *p, uint32_t port); /* for this: */
/* From now on u->event is called for each event of the port, which is bound. A user listens to one
 * port. -ENOMEM. */
static inline int ports_listen(struct ports *p, uint32_t port, struct port_user *u)
{
	if (port >= p->n && ports_grow(p, port) < 0)
		return -ENOMEM;
	p->user[port] = u;
	u->port = port;
	return 0;
}

/* No longer, to be called before the port is unbound or another one's; not listening is fine. A
 * port that waited for credit is unmasked: for the next user. */
void ports_ignore(struct ports *p, struct port_user *u);
/* The user has caused work beside its events, which costs as much as one. With its credit gone its
 * port stays masked until the next period. */
void ports_spend(struct ports *p, struct port_user *u);

#endif
