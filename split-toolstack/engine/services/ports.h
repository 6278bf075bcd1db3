/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels: calls the user of each pending port, and limits the number of events. */
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
	struct port_user *masked; /* utlist head: users that wait for credit */
	ev_io io;
	ev_timer credit; /* until the next period */
};

int ports_open(struct ev_loop *loop, struct xen *x, struct ports **out, struct err *e);
/* All users must have stopped listening. NULL is allowed. */
void ports_close(struct ports *p);
int ports_grow(struct ports *p, uint32_t port); /* used by this function: */
/* Calls u->event for each event of the port, which must be bound. A user listens to one port.
 * -ENOMEM. */
static inline int ports_listen(struct ports *p, uint32_t port, struct port_user *u)
{
	if (port >= p->n && ports_grow(p, port) < 0)
		return -ENOMEM;
	p->user[port] = u;
	u->port = port;
	return 0;
}

/* Ends that; call it before the port is unbound or given to another user. No effect if the user
 * does not listen. If the port was masked for lack of credit, it is unmasked, for its next user. */
void ports_ignore(struct ports *p, struct port_user *u);
/* Its port is masked until there is new credit, when resumed() is called. */
static inline bool port_is_masked(const struct port_user *u)
{
	return u->masked;
}
/* Charges the user for work that costs as much as an event. Without credit its port is masked
 * until the next period. */
void ports_spend(struct ports *p, struct port_user *u);
/* Called by event() or resumed(): the port stays masked for so many seconds, then resumed() is
 * called, which may ask for another rest. For a peer that sends an event for each few bytes: Linux
 * does for 16 of a console. No effect without resumed(), or while the user waits for credit. */
void ports_rest(struct ports *p, struct port_user *u, double seconds);

#endif
