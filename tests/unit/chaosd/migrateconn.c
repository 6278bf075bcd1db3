/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections of both ends of a migration that break: at each step one of the two VMs is left that
 * runs, or one that stands still and says so. */
#include "tests/unit/chaosd/server_help.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <noxs/abi.h>

#include "split-toolstack/engine/life/life_test.h"
#include "split-toolstack/engine/parts/parts.h"

/* One end of it: a connection, with streams on it that hear of all that happens to its VM. */
struct end {
	struct client c;
	uint32_t tag; /* of its SAVE or RECEIVE */
};

static void send_about(struct end *x, enum proto_op op, const char *vm, uint32_t flags)
{
	struct wire_out w;

	client_begin(&x->c, &w, op);
	wire_text(&w, PROTO_WHAT, vm);
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	assert_int_equal(client_send(&x->c, &w, NULL, 0, NULL), 0);
}

static void opens(struct end *x, enum proto_op op, int fd)
{
	struct wire_out w;

	assert_int_equal(client_open(&x->c, path, NULL), 0);
	(void)ev_run(loop, EVRUN_NOWAIT);
	send_about(x, PROTO_REQ_WAIT, "web", 0);
	client_begin(&x->c, &w, op);
	x->tag = x->c.tag;
	wire_text(&w, op == PROTO_REQ_SAVE ? PROTO_WHAT : PROTO_NAME,
		  op == PROTO_REQ_SAVE ? "web" : "copy");
	wire_u32(&w, PROTO_FILE_FD, 0);
	assert_int_equal(client_send(&x->c, &w, &fd, 1, NULL), 0);
	(void)close(fd);
}

/* A request that is part of the first one. */
static void goes_on(struct end *x, enum proto_op op)
{
	struct wire_out w;

	x->c.tag = x->tag - 1;
	client_begin(&x->c, &w, op);
	assert_int_equal(client_send(&x->c, &w, NULL, 0, NULL), 0);
}

/* The next answer to it. */
static void hears(struct end *x, uint16_t op)
{
	struct wire_in in = {0};

	while (in.h.tag != x->tag) {
		struct pollfd p = {x->c.fd, POLLIN, 0};

		until(poll(&p, 1, 0) == 1);
		assert_int_equal(client_receive(&x->c, &in, NULL), 0);
	}
	assert_int_equal(in.h.op, op);
}

static void all_gone(void)
{
	until(server_clients(server) == 0);
	until(streams_test_count(en) == 0);
}

static enum vm_state state_of(const char *name, bool *there)
{
	const struct vm *vm = engine_find(en, name);

	*there = vm != NULL;
	return vm ? vm_state(vm) : VM_ENDED;
}

static void are(enum vm_state web, enum vm_state copy, bool copy_there)
{
	bool there;

	for (int i = 0; i < 20; i++)
		tick();
	assert_int_equal(state_of("web", &there), web);
	assert_int_equal(state_of("copy", &there), copy);
	assert_int_equal(there, copy_there);
}

static void clean(void)
{
	static const char *const names[] = {"web", "copy"};

	for (size_t i = 0; i < 2; i++) {
		struct vm *vm = engine_find(en, names[i]);

		if (vm && vm_state(vm) != VM_ENDED)
			assert_int_equal(vm_destroy(vm, NULL), 0);
		vm = engine_find(en, names[i]);
		if (vm)
			assert_int_equal(vm_rm(vm, NULL), 0);
	}
	settle(0);
}

enum step { BEGUN, WRITTEN, GIVEN, TAKEN, OVER };

/* So far; then the connections of `ends` (1: the source, 2: the target) break. */
static void breaks_at(enum step step, int ends)
{
	struct end from, to;
	int s[2];

	(void)living("web", DOM_PVH);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	opens(&from, PROTO_REQ_SAVE, s[0]);
	opens(&to, PROTO_REQ_RECEIVE, s[1]);
	if (step >= WRITTEN) {
		hears(&from, PROTO_ITEM);
		hears(&to, PROTO_OK);
	}
	if (step >= GIVEN) {
		goes_on(&from, PROTO_REQ_MOVE);
		hears(&from, PROTO_OK);
	}
	if (step >= TAKEN)
		goes_on(&to, PROTO_REQ_RECEIVED);
	if (step >= OVER) {
		hears(&to, PROTO_OK);
		send_about(&from, PROTO_REQ_MOVED, "web", 0);
	}
	if (ends & 1)
		client_close(&from.c);
	if (ends & 2)
		client_close(&to.c);
	for (int i = 0; i < 20; i++)
		tick();
	if (!(ends & 1))
		client_close(&from.c);
	if (!(ends & 2))
		client_close(&to.c);
	all_gone();
}

static void whoever_breaks_off_one_is_left(void **state)
{
	(void)state;
	for (int ends = 1; ends < 4; ends++) {
		breaks_at(BEGUN, ends);
		are(VM_RUNNING, VM_ENDED, false);
		clean();
		breaks_at(WRITTEN, ends);
		are(VM_RUNNING, VM_ENDED, false);
		clean();
		breaks_at(GIVEN, ends);
		are(VM_MOVING, VM_ENDED, false);
		clean();
		breaks_at(TAKEN, ends);
		are(VM_MOVING, VM_RUNNING, true);
		clean();
		breaks_at(OVER, ends);
		are(VM_ENDED, VM_RUNNING, true);
		clean();
	}
}

/* Out of their order they change nothing. */
static void words_have_an_order(void **state)
{
	struct end x;
	struct wire_in in;
	static const enum proto_op ops[] = {PROTO_REQ_MOVE, PROTO_REQ_RECEIVED};

	(void)state;
	(void)living("web", DOM_PV);
	assert_int_equal(client_open(&x.c, path, NULL), 0);
	(void)ev_run(loop, EVRUN_NOWAIT);
	x.tag = 1;
	for (size_t i = 0; i < 2; i++) {
		struct pollfd p = {x.c.fd, POLLIN, 0};

		goes_on(&x, ops[i]);
		until(poll(&p, 1, 0) == 1);
		assert_int_equal(client_receive(&x.c, &in, NULL), -EPROTO);
	}
	for (uint32_t flags = 0; flags <= PROTO_F_KEEP; flags += PROTO_F_KEEP) {
		struct pollfd p = {x.c.fd, POLLIN, 0};

		send_about(&x, PROTO_REQ_MOVED, "web", flags);
		until(poll(&p, 1, 0) == 1);
		assert_int_equal(client_receive(&x.c, &in, NULL), -EINVAL);
	}
	client_close(&x.c);
	all_gone();
	are(VM_RUNNING, VM_ENDED, false);
	clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER(whoever_breaks_off_one_is_left),
		SERVER(words_have_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
