/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the fake share; all of it is guarded by fake_lock. */
#ifndef CHAOS_FAKE_PRIVATE_H
#define CHAOS_FAKE_PRIVATE_H

#include "base/xen.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fake/fake.h"

#define DOMAINS	    320u
#define PORTS	    1024u
#define FRAMES	    (1u << 16) /* of one domain */
#define SHARED_INFO (FRAMES - 1)
#define PAGE	    4096u

struct xen {
	int fd; /* eventfd: something is pending */
};

struct domain {
	uint32_t id;
	uint8_t uuid[16];
	bool hvm, shutdown;
	uint32_t pauses; /* Xen counts them */
	bool busy;
	bool bound;   /* ran once, and so has bound its end of the channel */
	uint64_t ran; /* how often it was let run */
	uint32_t reason;
	int mem;
	uint32_t guest_ports;
	struct fake_domain is;
	uint32_t vcpus;
	uint8_t affinity[FAKE_VCPUS]; /* of pCPUs 0 to 7; 0: not set */
	bool has_state[FAKE_VCPUS];   /* of each vCPU: it was set */
	bool noting;		      /* what it writes */
	uint64_t written[FRAMES / 64];
	struct fake_grant grant[XEN_GRANTS];
	uint64_t pinned;  /* PV: a table of level 4; 0: none */
	xen_pfn_t two[2]; /* the last two frames that were mapped together */
};

struct port {
	bool used, pending, masked, virq, reserved;
	struct xen *x;
	uint32_t domid, remote;
};

extern pthread_mutex_t fake_lock;
extern struct domain fake_domains[DOMAINS];
extern struct port fake_ports[PORTS];
extern struct fake_count fake_held;
extern uint32_t fake_next_domid;
extern uint64_t fake_free;
extern bool fake_dirty;

void fake_drop_port(struct port *p);
/* Counts a call that can fail; the error when it is its turn. */
int fake_may_fail(const char *name);
int fake_leave(int rc);
struct domain *fake_find(uint32_t id);
void fake_raise(struct port *p);
void fake_remove(struct domain *d);
/* It runs: to its gate, if its device page has one. */
void fake_to_gate(struct domain *d);
/* Returns when this domain's destroy is not held; the lock is given up meanwhile. */
void fake_while_held(uint32_t domid);

#define ENTER()                                                                                    \
	int rc;                                                                                    \
	(void)pthread_mutex_lock(&fake_lock);                                                      \
	rc = fake_may_fail(__func__);                                                              \
	if (rc < 0) {                                                                              \
		(void)pthread_mutex_unlock(&fake_lock);                                            \
		return rc;                                                                         \
	}

#define ONE_DOMAIN(statement)                                                                      \
	do {                                                                                       \
		struct domain *d;                                                                  \
		ENTER();                                                                           \
		(void)x;                                                                           \
		d = fake_find(domid);                                                              \
		if (!d)                                                                            \
			return fake_leave(-ESRCH);                                                 \
		statement;                                                                         \
		return fake_leave(0);                                                              \
	} while (0)

#endif
