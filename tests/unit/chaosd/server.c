/* SPDX-License-Identifier: BSD-3-Clause */
/* chaosd's socket on the fake hypervisor, its clients in the same loop: what one client costs
 * another. */
#include "tests/unit/chaosd/server_help.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_for_many(void **state)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
	return open_server(state);
}

#define SUBSCRIBERS 1000u

static void subscribers_cost_a_create_next_to_nothing(void **state)
{
	static struct client subs[SUBSCRIBERS];
	static uint64_t last[SUBSCRIBERS];
	struct client c;
	uint32_t frames = 0;
	uint32_t heard = 0;
	char name[16];

	(void)state;
	connects(&c);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		connects(&subs[i]);
		ask(&subs[i], PROTO_REQ_EVENTS);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	for (uint32_t i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "v%u", i);
		ask_create(&c, name);
		answered(&c);
	}
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		frames += hear(&subs[i], &last[i]);
	/* 20 creates, of each at least two events for 1000; a few frames a turn of the loop */
	assert_true(frames < 20 * 100);
	for (uint32_t quiet = 0; quiet < 20; quiet++) {
		uint32_t n = 0;

		tick();
		for (uint32_t i = 0; i < 100; i++)
			(void)ev_run(loop, EVRUN_NOWAIT);
		for (uint32_t i = 0; i < SUBSCRIBERS; i += 50)
			n += hear(&subs[i], &last[i]);
		quiet = n ? 0 : quiet;
	}
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		(void)hear(&subs[i], &last[i]);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		heard += last[i] == last[0];
		client_close(&subs[i]);
	}
	assert_int_equal(heard, SUBSCRIBERS); /* all have heard all of it */
	client_close(&c);
	(void)ev_run(loop, EVRUN_NOWAIT);
}

/* Subscribers that go while all are behind, all have heard, and in between; from everywhere in the
 * list. */
static void subscribers_go_at_any_time(void **state)
{
	static struct client subs[60];
	static uint64_t last[60];
	struct client c;
	char name[16];
	uint32_t left = 60;

	(void)state;
	connects(&c);
	for (uint32_t i = 0; i < 60; i++) {
		connects(&subs[i]);
		ask(&subs[i], PROTO_REQ_EVENTS);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	for (uint32_t round = 0; left > 3; round++) {
		(void)snprintf(name, sizeof(name), "v%u", round);
		ask_create(&c, name);
		answered(&c);
		for (uint32_t i = 0; i < round % 4; i++)
			(void)ev_run(loop, EVRUN_NOWAIT);
		for (uint32_t i = 0; i < 3; i++) {
			uint32_t at = (round * 23 + i * 31) % 60;

			while (subs[at].fd < 0)
				at = (at + 1) % 60;
			client_close(&subs[at]);
			left--;
		}
		for (uint32_t i = 0; i < round % 3; i++)
			(void)ev_run(loop, EVRUN_NOWAIT);
	}
	while (server_clients(server) > left + 1)
		(void)ev_run(loop, EVRUN_ONCE);
	ask_create(&c, "last");
	answered(&c);
	for (uint32_t i = 0; i < 60; i++) {
		if (subs[i].fd < 0)
			continue;
		while (hear(&subs[i], &last[i]) == 0)
			(void)ev_run(loop, EVRUN_NOWAIT);
		client_close(&subs[i]);
	}
	client_close(&c);
	while (server_clients(server))
		(void)ev_run(loop, EVRUN_ONCE);
}

/* A packet of 0 bytes with files, and one with more files than a request may have. */
static void files_of_odd_packets_are_closed(void **state)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	char text[] = "request";
	uint32_t before;

	(void)state;
	before = open_files();
	for (uint32_t n = 0; n < 40; n++) {
		uint32_t files = n % 2 ? 4 : 8;
		struct iovec iov = {text, n % 2 ? 0 : sizeof(text)};
		struct msghdr m = {.msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = control.bytes,
				   .msg_controllen = CMSG_SPACE(sizeof(int) * files)};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		struct client c;
		int two = 2;

		connects(&c);
		memset(&control, 0, sizeof(control));
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * files);
		for (uint32_t i = 0; i < files; i++)
			memcpy(CMSG_DATA(h) + i * sizeof(int), &two, sizeof(two));
		assert_int_equal(sendmsg(c.fd, &m, 0), (ssize_t)iov.iov_len);
		while (server_clients(server))
			(void)ev_run(loop, EVRUN_ONCE);
		client_close(&c);
	}
	assert_int_equal(open_files(), before);
}

/* The end of a VM is told to those that wait for it, and to no other; a removal, too. */
static void waits_end_with_their_vm(void **state)
{
	static struct client waits[60];
	struct client c;
	char name[16];

	(void)state;
	connects(&c);
	for (uint32_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "v%u", i);
		ask_create(&c, name);
		answered(&c);
	}
	for (uint32_t i = 0; i < 60; i++) {
		struct wire_out w;

		connects(&waits[i]);
		(void)snprintf(name, sizeof(name), "v%u", i % 3);
		client_begin(&waits[i], &w, i % 2 ? PROTO_REQ_WAIT : PROTO_REQ_CONSOLE);
		wire_u32(&w, PROTO_FLAGS, i % 2 ? 0 : PROTO_F_FOLLOW);
		wire_text(&w, PROTO_WHAT, name);
		assert_int_equal(client_send(&waits[i], &w, NULL, 0, NULL), 0);
		(void)ev_run(loop, EVRUN_NOWAIT);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	client_close(&waits[1]); /* v1: its end is noticed when the VM ends */
	assert_int_equal(vm_destroy(engine_find(en, "v1"), NULL), 0);
	for (uint32_t i = 0; i < 60; i++)
		assert_true(i == 1 || readable(&waits[i]) == (i % 3 == 1));
	settle(2);
	for (uint32_t i = 0; i < 60; i++)
		client_close(&waits[i]);
	client_close(&c);
	while (server_clients(server))
		(void)ev_run(loop, EVRUN_ONCE);
}

#define LISTS 20u

/* Lists, subscriptions, waits and consoles on one connection whose client does not read. */
static void ask_much(struct client *c)
{
	for (uint32_t i = 0; i < LISTS; i++)
		ask(c, PROTO_REQ_LIST);
	ask(c, PROTO_REQ_EVENTS);
	for (uint32_t i = 0; i < 2; i++) {
		struct wire_out w;

		client_begin(c, &w, i ? PROTO_REQ_WAIT : PROTO_REQ_CONSOLE);
		wire_u32(&w, PROTO_FLAGS, i ? 0 : PROTO_F_FOLLOW);
		wire_text(&w, PROTO_WHAT, "v0");
		assert_int_equal(client_send(c, &w, NULL, 0, NULL), 0);
	}
	for (uint32_t i = 0; i < 50 * LISTS; i++)
		(void)ev_run(loop, EVRUN_NOWAIT);
}

/* What waits for room in a connection goes on when there is some, all of it; and nothing of it is
 * left when the connection goes instead. */
static void much_waits_for_one_client(void **state)
{
	struct client c;
	struct client slow;
	uint32_t vms = 0;
	uint32_t events = 0;
	uint32_t ended = 0;
	char name[16];

	(void)state;
	connects(&c);
	for (uint32_t i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "v%u", i);
		ask_create(&c, name);
		answered(&c);
	}
	connects(&slow);
	ask_much(&slow);
	client_close(&slow); /* all of it waits */
	while (server_clients(server) > 1)
		(void)ev_run(loop, EVRUN_ONCE);
	connects(&slow);
	ask_much(&slow);
	assert_int_equal(vm_destroy(engine_find(en, "v0"), NULL), 0);
	while (ended < LISTS + 2 || events == 0) {
		struct wire_in in;
		struct wire_field field;

		while (!readable(&slow))
			(void)ev_run(loop, EVRUN_ONCE);
		assert_int_equal(client_receive(&slow, &in, NULL), 0);
		assert_int_not_equal(in.h.op, PROTO_ERROR);
		ended += in.h.op == PROTO_OK;
		events += wire_find(&in, PROTO_EVENT_ID, &field);
		vms += in.h.op == PROTO_ITEM && wire_find(&in, PROTO_VM, &field) &&
		       !wire_find(&in, PROTO_EVENT_ID, &field);
	}
	assert_true(vms >= LISTS * 99 && vms <= LISTS * 100); /* v0 may have gone in between */
	client_close(&slow);
	client_close(&c);
	while (server_clients(server))
		(void)ev_run(loop, EVRUN_ONCE);
}

static void refused(struct client *c, enum proto_op op, enum proto_id id, const char *text,
		    const char *message)
{
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;

	client_begin(c, &w, op);
	wire_text(&w, PROTO_WHAT, "web");
	wire_text(&w, id, text);
	assert_int_equal(client_send(c, &w, NULL, 0, NULL), 0);
	while (!readable(c))
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(client_finish(c, &in, NULL, NULL, &e), -EINVAL);
	assert_string_equal(e.msg, message);
}

static void messages_name_the_kinds_of_devices(void **state)
{
	struct client c;

	(void)state;
	connects(&c);
	ask_create(&c, "web");
	answered(&c);
	refused(&c, PROTO_REQ_DEVICES, PROTO_KIND, "usb", "kind \"usb\": give vif or vbd");
	refused(&c, PROTO_REQ_ATTACH, PROTO_SET, "usb=1", "\"usb=1\": give vif=... or disk=...");
	client_close(&c);
	while (server_clients(server))
		(void)ev_run(loop, EVRUN_ONCE);
}

#define MOST 1024

/* Its request comes before the server has seen the connection: it is not read. */
static void one_too_many_is_told_why(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct err e = {0};
	struct wire_out w;
	struct wire_in in;
	struct client c;
	int fd[MOST];

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	for (int i = 0; i < MOST; i++) {
		fd[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_true(fd[i] >= 0);
		assert_return_code(connect(fd[i], (struct sockaddr *)&a, sizeof(a)), errno);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	while (server_clients(server) < MOST)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(client_open(&c, path, &e), 0);
	client_begin(&c, &w, PROTO_REQ_LIST);
	assert_int_equal(client_send(&c, &w, NULL, 0, &e), 0);
	while (!readable(&c))
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(client_finish(&c, &in, NULL, NULL, &e), -EBUSY);
	assert_non_null(strstr(e.msg, "has 1024 clients already"));
	client_close(&c);
	for (int i = 0; i < MOST; i++)
		(void)close(fd[i]);
	while (server_clients(server))
		(void)ev_run(loop, EVRUN_ONCE);
}

#define MANY(f) cmocka_unit_test_setup_teardown(f, open_for_many, close_server)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MANY(subscribers_cost_a_create_next_to_nothing),
		MANY(subscribers_go_at_any_time),
		MANY(files_of_odd_packets_are_closed),
		MANY(waits_end_with_their_vm),
		MANY(much_waits_for_one_client),
		MANY(messages_name_the_kinds_of_devices),
		MANY(one_too_many_is_told_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
