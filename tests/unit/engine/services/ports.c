/* SPDX-License-Identifier: BSD-3-Clause */
/* Event channels: a storm on one holds up no other, and an event may end its own user. */
#include "tests/unit/unit.h"

#include <stddef.h>

#include "base/xen.h"
#include "split-toolstack/engine/services/ports.h"
#include "tests/fake/fake.h"

#define STORM 200u
#define MOST  100u /* that one gets through in a period */

struct listener {
	struct port_user user;
	struct port_credit credit;
	uint32_t domid, port;
	uint32_t events, resumed;
	uint32_t rests; /* that it asks for, one after the other */
	bool ends;
};

static struct ev_loop *loop;
static struct xen *x;
static struct ports *ports;

static struct listener *listener(struct port_user *u)
{
	return (struct listener *)(void *)((char *)u - offsetof(struct listener, user));
}

static void on_event(struct port_user *u)
{
	struct listener *l = listener(u);

	l->events++;
	if (l->rests)
		ports_rest(ports, u, .001);
	if (l->ends)
		ports_ignore(ports, u);
}

static void on_resumed(struct port_user *u)
{
	struct listener *l = listener(u);

	l->resumed++;
	if (l->rests && --l->rests)
		ports_rest(ports, u, .001);
	if (l->ends)
		ports_ignore(ports, u);
}

static void listen_to(struct listener *l, uint32_t domid)
{
	*l = (struct listener){.domid = domid, .user = {.event = on_event, .resumed = on_resumed}};
	assert_int_equal(xen_evtchn_reserve(x, domid, &l->port), 0);
	assert_int_equal(ports_listen(ports, l->port, &l->user), 0);
}

static void end(struct listener *l)
{
	ports_ignore(ports, &l->user);
	(void)xen_evtchn_unbind(x, l->port);
}

/* This period lasts for ever, however slow the machine is. */
static void limit(struct listener *l, uint32_t events)
{
	l->user.credit = &l->credit;
	l->credit = (struct port_credit){.events = events, .since = ev_now(loop) + 1e9};
}

static void raise_events(uint32_t domid, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		fake_event(domid);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
}

static int open_all(void **state)
{
	(void)state;
	fake_reset();
	loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(loop);
	assert_int_equal(xen_open(&x, NULL), 0);
	return ports_open(loop, x, &ports, NULL);
}

static int close_all(void **state)
{
	(void)state;
	ports_close(ports);
	xen_close(x);
	ev_loop_destroy(loop);
	return 0;
}

static void test_no_limit(void **state)
{
	struct listener a;

	(void)state;
	listen_to(&a, 7);
	raise_events(7, STORM);
	assert_int_equal(a.events, STORM);
	end(&a);
}

static void test_storm(void **state)
{
	struct listener a;
	struct listener b;

	(void)state;
	listen_to(&a, 7);
	listen_to(&b, 8);
	limit(&a, 0);
	limit(&b, 0);
	for (uint32_t i = 0; i < STORM && !a.user.masked; i++)
		raise_events(7, 1);
	assert_true(a.user.masked);
	raise_events(8, 1);
	assert_int_equal(b.events, 1);
	fake_event(7);
	while (a.user.masked) { /* until the next period: the event that waited comes */
		assert_true(ev_run(loop, EVRUN_ONCE));
	}
	assert_int_equal(a.resumed, 1);
	assert_int_equal(b.resumed, 0);
	a.events = 0;
	(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(a.events, 1);
	end(&a);
	end(&b);
}

/* Both channels of a guest share its credit. */
static void test_shared_credit(void **state)
{
	struct listener a;
	struct listener b;

	(void)state;
	listen_to(&a, 7);
	listen_to(&b, 8);
	limit(&a, 0);
	b.user.credit = &a.credit;
	for (uint32_t i = 0; i < STORM && !a.user.masked; i++)
		ports_spend(ports, &a.user);
	assert_true(a.user.masked);
	ports_spend(ports, &b.user);
	assert_true(b.user.masked);
	end(&a); /* does not wait for credit any more */
	assert_false(a.user.masked);
	while (b.user.masked)
		assert_true(ev_run(loop, EVRUN_ONCE));
	assert_int_equal(a.resumed, 0);
	end(&b);
}

static void test_ends_in_its_event(void **state)
{
	struct listener a;
	struct listener b;

	(void)state;
	listen_to(&a, 7);
	limit(&a, MOST); /* the next one would be too much */
	a.ends = true;
	raise_events(7, 2);
	assert_int_equal(a.events, 1);
	assert_false(a.user.masked);
	/* The port's next user hears at once, also when the one before was masked. */
	a.ends = false;
	assert_int_equal(ports_listen(ports, a.port, &a.user), 0);
	limit(&a, MOST);
	raise_events(7, 2);
	assert_true(a.user.masked);
	ports_ignore(ports, &a.user);
	b = (struct listener){.user = {.event = on_event}};
	assert_int_equal(ports_listen(ports, a.port, &b.user), 0);
	(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(b.events, 1);
	ports_ignore(ports, &b.user);
	(void)xen_evtchn_unbind(x, a.port);
}

/* What comes meanwhile is one event, and costs no credit. */
static void test_rest(void **state)
{
	struct listener a;
	struct listener b;

	(void)state;
	listen_to(&a, 7);
	listen_to(&b, 8);
	a.rests = 3;
	b.rests = 1;
	limit(&a, 0);
	raise_events(8, 1);
	raise_events(7, 1);
	assert_true(a.user.resting); /* the short rest of b may be over */
	assert_int_equal(a.events, 1);
	fake_event(7);
	for (uint32_t i = 0; i < STORM; i++)
		ports_spend(ports, &a.user);
	assert_false(a.user.masked);
	while (a.user.resting)
		assert_true(ev_run(loop, EVRUN_ONCE));
	assert_int_equal(a.resumed, 3);
	assert_false(b.user.resting);
	assert_int_equal(b.resumed, 1);
	if (a.events == 1)
		(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(a.events, 2);
	end(&a);
	end(&b);
}

/* Its user ends while it rests, or at the end of its rest. */
static void test_ends_in_its_rest(void **state)
{
	struct listener a;
	struct listener b;
	uint32_t resumed;

	(void)state;
	listen_to(&a, 7);
	listen_to(&b, 8);
	a.rests = 1;
	b.rests = 1;
	raise_events(7, 1);
	raise_events(8, 1);
	resumed = a.resumed; /* its rest may be over by now */
	ports_ignore(ports, &a.user);
	assert_false(a.user.resting);
	a.rests = 0;
	assert_int_equal(ports_listen(ports, a.port, &a.user), 0);
	raise_events(7, 1); /* the port is not masked any more */
	assert_int_equal(a.events, 2);
	b.ends = true;
	while (b.user.resting)
		assert_true(ev_run(loop, EVRUN_ONCE));
	assert_int_equal(b.user.port, 0);
	assert_int_equal(a.resumed, resumed);
	end(&a);
	(void)xen_evtchn_unbind(x, b.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_limit, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_storm, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_shared_credit, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_ends_in_its_event, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_rest, open_all, close_all),
		cmocka_unit_test_setup_teardown(test_ends_in_its_rest, open_all, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
