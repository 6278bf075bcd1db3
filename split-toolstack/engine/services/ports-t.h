/* SPDX-License-Identifier: BSD-3-Clause */
/* What a listener to an event channel embeds. */
#ifndef CHAOS_ENGINE_SERVICES_PORTS_T_H
#define CHAOS_ENGINE_SERVICES_PORTS_T_H

#include <stdbool.h>
#include <stdint.h>

/* Events in the current period of time; of one user, or of several together. */
struct port_credit {
	uint32_t events;
	double since; /* began then, by the loop's clock */
};

/* Zero but for the three upper fields, until it listens. */
struct port_user {
	void (*event)(struct port_user *u);
	void (*resumed)(struct port_user *u); /* its credit is back; NULL: nothing is called */
	struct port_credit *credit;	      /* NULL: it may cause any number of events */
	struct port_user *prev, *next;	      /* of those that wait for fresh credit */
	uint32_t port;			      /* 0: it does not listen */
	bool masked;			      /* waits for fresh credit */
};

#endif
