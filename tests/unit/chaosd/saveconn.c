/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections that save VMs, wait for them and break: at each step, in one and the same. */
#include "tests/unit/chaosd/server_help.h"
#include "tests/unit/engine/life/savevm_help.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <noxs/abi.h>
#include <xen/sched.h>

static uint32_t save_tag; /* of the last SAVE */

/* About the VM "web". */
static void asks(struct client *c, enum proto_op op, uint32_t flags)
{
	int file = op == PROTO_REQ_SAVE ? memfd_create("saved", MFD_CLOEXEC) : -1;
	struct wire_out w;

	client_begin(c, &w, op);
	save_tag = op == PROTO_REQ_SAVE ? c->tag : save_tag;
	wire_text(&w, PROTO_WHAT, "web");
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	if (file >= 0)
		wire_u32(&w, PROTO_FILE_FD, 0);
	assert_int_equal(client_send(c, &w, &file, file >= 0, NULL), 0);
	if (file >= 0)
		(void)close(file);
}

static void all_gone(void)
{
	for (int i = 0; i < 10000 && server_clients(server); i++)
		(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(server_clients(server), 0);
}

/* The save has said that it is written; other streams say what they like. */
static void is_written(struct client *c)
{
	struct wire_in in = {0};

	while (in.h.tag != save_tag) {
		until(readable(c));
		assert_int_equal(client_receive(c, &in, NULL), 0);
	}
	assert_int_equal(in.h.op, PROTO_ITEM);
}

/* The streams come before the save or behind it, which has been begun when they are there. */
static void opens(struct client *c, bool streams_first, uint32_t flags)
{
	connects(c);
	for (int i = 0; i < 2; i++) {
		if (streams_first == (i == 0)) {
			asks(c, PROTO_REQ_WAIT, 0);
			asks(c, PROTO_REQ_CONSOLE, PROTO_F_FOLLOW);
			asks(c, PROTO_REQ_WAIT, 0);
		} else {
			asks(c, PROTO_REQ_SAVE, flags);
		}
	}
}

static void it_breaks_before_it_is_written(void **state)
{
	struct vm *vm = living("web", DOM_PVH);

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct client c;
		struct client other;

		says(vm, NOXS_CAN_SAVE);
		fake_busy(vm_domid(vm), true);
		connects(&other);
		asks(&other, PROTO_REQ_WAIT, 0);
		opens(&c, i % 2, i / 2 ? PROTO_F_KEEP : 0);
		for (int turn = 0; turn < 4; turn++)
			(void)ev_run(loop, EVRUN_NOWAIT);
		assert_int_equal(vm_state(vm), VM_SAVING);
		client_close(&c);
		until(vm_state(vm) != VM_SAVING);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		client_close(&other);
		all_gone();
	}
}

static void it_breaks_when_it_is_written(void **state)
{
	struct vm *vm = living("web", DOM_PV);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct client c;

		opens(&c, i % 2, 0);
		is_written(&c);
		assert_int_equal(vm_state(vm), VM_SAVING);
		client_close(&c);
		until(vm_state(vm) != VM_SAVING);
		assert_int_equal(vm_state(vm), VM_RUNNING);
		all_gone();
	}
}

static void it_breaks_behind_its_last_word(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct vm *vm = living("web", DOM_PVH);
		struct wire_out w;
		struct client c;

		opens(&c, i % 2, 0);
		is_written(&c);
		c.tag = save_tag - 1; /* the next request has the one behind it */
		client_begin(&c, &w, PROTO_REQ_SAVED);
		assert_int_equal(client_send(&c, &w, NULL, 0, NULL), 0);
		client_close(&c);
		until(vm_state(vm) == VM_ENDED);
		all_gone();
		assert_int_equal(vm_rm(vm, NULL), 0);
	}
}

static void it_breaks_as_the_vm_is_destroyed(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct vm *vm = living("web", DOM_PVH);
		struct client c;

		says(vm, NOXS_CAN_SAVE);
		fake_busy(vm_domid(vm), i / 2);
		opens(&c, i % 2, 0);
		for (int turn = 0; turn < 4; turn++)
			(void)ev_run(loop, EVRUN_NOWAIT);
		client_close(&c); /* which the loop has not seen yet */
		destroy(vm);
		all_gone();
		settle(0);
	}
}

/* The server closes first, and the snapshot ends when the engine does. */
static void the_daemon_stops_meanwhile(void **state)
{
	struct client c;
	struct wire_out w;

	(void)state;
	(void)living("web", DOM_PV);
	connects(&c);
	client_begin(&c, &w, PROTO_REQ_SNAPSHOT);
	wire_text(&w, PROTO_WHAT, "web");
	wire_text(&w, PROTO_NAME, "one");
	assert_int_equal(client_send(&c, &w, NULL, 0, NULL), 0);
	(void)ev_run(loop, EVRUN_NOWAIT); /* the request is read: a thread makes the file */
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVER(the_daemon_stops_meanwhile),	  SERVER(it_breaks_before_it_is_written),
		SERVER(it_breaks_when_it_is_written),	  SERVER(it_breaks_behind_its_last_word),
		SERVER(it_breaks_as_the_vm_is_destroyed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
