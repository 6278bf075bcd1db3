/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/chaosd/server_help.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "split-toolstack/chaosd/ops.h"

char path[64];
struct server *server;

int open_server(void **state)
{
	struct server_conf c = {.path = path, .group = "", .listen_fd = -1, .ops = &operations};
	struct err e = {0};

	assert_int_equal(setup(state), 0);
	(void)snprintf(path, sizeof(path), "/tmp/chaos-unit-%d", (int)getpid());
	assert_int_equal(server_open(loop, en, &c, &server, &e), 0);
	return 0;
}

int close_server(void **state)
{
	server_close(server);
	return teardown(state);
}

void connects(struct client *c)
{
	struct err e = {0};

	assert_int_equal(client_open(c, path, &e), 0);
	(void)ev_run(loop, EVRUN_NOWAIT);
}

bool readable(const struct client *c)
{
	struct pollfd p = {c->fd, POLLIN, 0};

	return poll(&p, 1, 0) == 1;
}

void ask(struct client *c, enum proto_op op)
{
	struct wire_out w;

	client_begin(c, &w, op);
	assert_int_equal(client_send(c, &w, NULL, 0, NULL), 0);
}

void ask_about(struct client *c, enum proto_op op, const char *name, uint32_t flags)
{
	struct wire_out w;

	client_begin(c, &w, op);
	wire_text(&w, PROTO_WHAT, name);
	if (flags)
		wire_u32(&w, PROTO_FLAGS, flags);
	assert_int_equal(client_send(c, &w, NULL, 0, NULL), 0);
}

void ask_create(struct client *c, const char *name)
{
	struct wire_out w;
	char text[256];

	client_begin(c, &w, PROTO_REQ_CREATE);
	(void)snprintf(text, sizeof(text), "name=%s", name);
	wire_text(&w, PROTO_SET, text);
	wire_text(&w, PROTO_SET, "kernel=" GUEST_NOOP);
	wire_text(&w, PROTO_SET, "memory=256K");
	assert_int_equal(client_send(c, &w, NULL, 0, NULL), 0);
}

void answered(struct client *c)
{
	struct err e = {0};
	struct wire_in in;

	while (!readable(c))
		(void)ev_run(loop, EVRUN_ONCE);
	if (client_finish(c, &in, NULL, NULL, &e) < 0)
		fail_msg("%s", e.msg);
}

uint32_t hear(struct client *c, uint64_t *last)
{
	struct wire_in in;
	uint32_t n = 0;

	while (readable(c)) {
		uint64_t id;

		assert_int_equal(client_receive(c, &in, NULL), 0);
		id = wire_get_u64(&in, PROTO_EVENT_ID, 0);
		assert_true(*last == 0 || id == *last + 1);
		*last = id;
		n++;
	}
	return n;
}
