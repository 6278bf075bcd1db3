/* SPDX-License-Identifier: BSD-3-Clause */
/* The structure that a user of an event channel embeds. */
#ifndef CHAOS_ENGINE_SERVICES_PORTS_T_H
#define CHAOS_ENGINE_SERVICES_PORTS_T_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

struct ports;

/* Number of events in the current period; for one user, or several together. */
struct port_credit {
	uint32_t events;
	double since; /* begin of the period, by the loop's clock */
};

/* Zeroed, except for the first three members, before the user listens. */
struct port_user {
	void (*event)(struct port_user *u);
	void (*resumed)(struct port_user *u); /* called when there is new credit, and at the end of
						 a rest; may be NULL */
	struct port_credit *credit;	      /* NULL: no limit */
	struct port_user *prev, *next;	      /* list of users that wait for credit */
	uint32_t port;			      /* 0: it does not listen */
	bool masked;			      /* its port is masked until there is new credit */
	struct ports *resting;		      /* ... or until its rest is over; NULL: no rest */
	ev_timer rest;
};

#endif
