/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels: finds the user of a pending port, and limits the number of events. */
#include "split-toolstack/engine/services/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/xen.h"

/* Events that are handled in one wake-up before clients get their turn. */
#define BATCH 64
/* Events that may be caused in a period; then the port stays masked until the next one. */
#define PERIOD_S 0.01
#define CREDIT	 50u

static void unmask(struct ports *p, struct port_user *u)
{
	DL_DELETE(p->masked, u);
	u->masked = false;
	(void)xen_evtchn_unmask(p->x, u->port);
}

static void period_over(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct ports *p = t->data;

	(void)revents;
	ev_timer_stop(loop, t);
	while (p->masked) { /* none is masked again here: it has fresh credit */
		struct port_user *u = p->masked;

		u->credit->events = 0;
		unmask(p, u);
		if (u->resumed)
			u->resumed(u);
	}
}

void ports_spend(struct ports *p, struct port_user *u)
{
	struct port_credit *c = u->credit;

	if (!c || u->masked || u->resting)
		return;
	if (ev_now(p->loop) - c->since > PERIOD_S) {
		c->since = ev_now(p->loop);
		c->events = 0;
	}
	if (++c->events <= CREDIT)
		return;
	u->masked = true; /* too many events: the next ones wait */
	DL_APPEND(p->masked, u);
	if (!ev_is_active(&p->credit)) {
		ev_timer_set(&p->credit, PERIOD_S, 0.);
		ev_timer_start(p->loop, &p->credit);
	}
}

static struct port_user *user_of(const struct ports *p, uint32_t port)
{
	return port < p->n ? p->user[port] : NULL;
}

static void rest_over(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct port_user *u = t->data;
	struct ports *p = u->resting;
	uint32_t port = u->port;

	(void)revents;
	ev_timer_stop(loop, t);
	u->resting = NULL;
	u->resumed(u);
	if (user_of(p, port) == u && !u->resting) /* that may have ended its user */
		(void)xen_evtchn_unmask(p->x, port);
}

void ports_rest(struct ports *p, struct port_user *u, double seconds)
{
	if (u->port == 0 || u->masked || u->resting || !u->resumed)
		return;
	u->resting = p;
	ev_timer_init(&u->rest, rest_over, seconds, 0.);
	u->rest.data = u;
	ev_timer_start(p->loop, &u->rest);
}

static void one_event(struct ports *p, uint32_t port)
{
	struct port_user *u = user_of(p, port);

	if (u)
		u->event(u);
	/* Otherwise it is a late event. The event itself may have ended its user. */
	if (u && user_of(p, port) == u) {
		ports_spend(p, u);
		if (u->masked || u->resting)
			return;
	}
	(void)xen_evtchn_unmask(p->x, port);
}

static void on_events(struct ev_loop *loop, ev_io *io, int revents)
{
	struct ports *p = io->data;
	uint32_t port;

	(void)loop;
	(void)revents;
	for (int i = 0; i < BATCH && xen_evtchn_pending(p->x, &port) == 0; i++)
		one_event(p, port);
}

int ports_grow(struct ports *p, uint32_t port)
{
	uint32_t n = (port + 64) & ~63u;
	struct port_user **grown = realloc(p->user, n * sizeof(struct port_user *));

	if (!grown)
		return -ENOMEM;
	memset(grown + p->n, 0, (n - p->n) * sizeof(struct port_user *));
	p->user = grown;
	p->n = n;
	return 0;
}

void ports_ignore(struct ports *p, struct port_user *u)
{
	if (u->port == 0)
		return;
	p->user[u->port] = NULL;
	if (u->masked)
		unmask(p, u);
	if (u->resting) {
		ev_timer_stop(p->loop, &u->rest);
		u->resting = NULL;
		(void)xen_evtchn_unmask(p->x, u->port);
	}
	u->port = 0;
}

int ports_open(struct ev_loop *loop, struct xen *x, struct ports **out, struct err *e)
{
	struct ports *p = calloc(1, sizeof(*p));

	*out = p;
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	p->loop = loop;
	p->x = x;
	ev_init(&p->credit, period_over);
	p->credit.data = p;
	ev_io_init(&p->io, on_events, xen_evtchn_fd(x), EV_READ);
	p->io.data = p;
	ev_io_start(loop, &p->io);
	return 0;
}

void ports_close(struct ports *p)
{
	if (!p)
		return;
	ev_timer_stop(p->loop, &p->credit);
	ev_io_stop(p->loop, &p->io);
	free(p->user);
	free(p);
}
