/* SPDX-License-Identifier: BSD-3-Clause */
/* A vif between a guest in memory and a socket pair in place of the TAP. */
#ifndef CHAOS_UNIT_BACKEND_NET_H
#define CHAOS_UNIT_BACKEND_NET_H

#include "backend/net_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/backend/backend_guest.h"
#include "tests/unit/unit.h"

struct env {
	uint8_t *area;
	struct guest guest;
	struct front tx;
	struct front rx;
	struct netback n;
	int tap; /* the other end */
	struct err e;
};

static int setup(void **state)
{
	struct env *v = calloc(1, sizeof(*v));
	int pair[2];

	assert_non_null(v);
	guest_init(&v->guest);
	front_init(&v->tx, 256, 12);
	front_init(&v->rx, 256, 8);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	v->tap = pair[1];
	v->n.seam = &v->guest.seam;
	v->area = aligned_alloc(NET_PAGE, NET_AREA_PAGES * NET_PAGE);
	assert_non_null(v->area);
	v->n.scratch = net_scratch_new(v->area);
	v->n.domid = GUEST_DOMID;
	v->n.port = GUEST_PORT;
	v->n.tap = pair[0];
	v->n.features = NET_FEATURES;
	netback_init(&v->n, v->tx.page, v->rx.page);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct env *v = *state;

	netback_fini(&v->n);
	net_scratch_free(v->n.scratch);
	free(v->area);
	(void)close(v->n.tap);
	if (v->tap >= 0)
		(void)close(v->tap);
	free(v);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
