/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile/store: breaks the store's rules, as how=WORD says:
 *   index    a producer index that no ring can have
 *   length   a message longer than any may be
 *   answers  a consumer index beyond what was answered
 *   flood    requests without end, whose answers are not taken
 *   storm    events without end
 *   quota    nodes, watches and transactions until each is refused, and prints how many there were
 *   paths    what others own, and paths that are none
 *   hold     as much of the store's memory as it gets, by transactions, nodes, watches and answers
 *            that it does not take; prints what of that was refused
 * All but quota and paths go on for ever. */
#include "../kit/dev.h"

#include <xen/event_channel.h>

#include "../kit/classic.h"
#include "../kit/hypercall.h"

static void notify(void)
{
	struct evtchn_send send = {.port = kit.store_port};

	(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static void say(uint32_t type, uint32_t len)
{
	const struct xsd_sockmsg h = {.type = type, .req_id = 1, .len = len};

	(void)wire_put(kit.store, &h, sizeof(h));
	notify();
}

/* Calm: without a CPU of its own when the ring is full; otherwise it notifies on. */
static void flood(bool calm)
{
	static const struct {
		struct xsd_sockmsg h;
		char path[8];
	} ask = {{.type = XS_READ, .len = 5}, "name"};

	for (;;) {
		uint32_t room = XENSTORE_RING_SIZE - (kit.store->req_prod - kit.store->req_cons);

		if (room >= sizeof(ask.h) + 5)
			(void)wire_put(kit.store, &ask, sizeof(ask.h) + 5);
		notify();
		if (calm && room < sizeof(ask.h) + 5)
			kit_wait_port(kit.store_port, 0);
	}
}

/* %u in `path` counts; how often it went well, at most `most` times. */
static uint32_t repeat(int (*act)(const char *path, const char *token), const char *start,
		       uint32_t most)
{
	uint32_t n = 0;

	while (n < most) {
		char path[32] = "";
		uint32_t at = 0;
		uint32_t value = n;

		while (start[at]) {
			path[at] = start[at];
			at++;
		}
		for (uint32_t i = 0; i < 5; i++, value /= 10)
			path[at + 4 - i] = (char)('0' + value % 10);
		if (act(path, "x") < 0)
			break;
		n++;
	}
	return n;
}

static int write_node(const char *path, const char *value)
{
	return kit_store_write(0, path, value);
}

static int begin(const char *path, const char *token)
{
	uint32_t tx;

	(void)path;
	(void)token;
	return kit_store_begin(&tx);
}

static void quota(void)
{
	kit_print("nodes %u\r\n", repeat(write_node, "data/", 5000));
	kit_print("watches %u\r\n", repeat(kit_store_watch, "data/", 5000));
	kit_print("transactions %u\r\n", repeat(begin, "", 5000));
}

/* A path of a guest's own, and the longest that may be. */
static const char *long_path(uint32_t n)
{
	static char path[2000] = "data/";
	uint32_t at = 5;

	for (; n; n /= 10)
		path[at++] = (char)('0' + n % 10);
	while (at < sizeof(path) - 1)
		path[at++] = 'x';
	return path;
}

/* data/NUMBER/d/d/d/... */
static const char *deep_path(uint32_t n)
{
	static char path[2000] = "data/";
	uint32_t at = 5;

	path[at++] = (char)('a' + n % 26);
	while (at < sizeof(path) - 3) {
		path[at++] = '/';
		path[at++] = 'd';
	}
	return path;
}

static void hold(void)
{
	static char value[64];
	uint32_t tx[10];
	uint32_t begun = 0;
	uint32_t seen = 0;
	uint32_t watched = 0;
	uint32_t made = 0;
	uint32_t refused = 0; /* in a row */

	while (begun < 10 && kit_store_begin(&tx[begun]) >= 0)
		begun++;
	for (uint32_t n = 0; n < 26; n++)
		watched += kit_store_watch(deep_path(n), "x") >= 0;
	for (uint32_t n = 1; n < 200; n++)
		made += kit_store_write(0, long_path(n), "x") >= 0;
	for (uint32_t n = 1; begun && n < 3000 && refused < 100; n++) {
		/* that there is none is an answer, and is kept in the picture */
		(void)kit_store_read(tx[n % begun], long_path(n), value, sizeof(value));
		refused = kit_store_write(tx[n % begun], long_path(n), "x") < 0 ? refused + 1 : 0;
		seen += !refused;
	}
	kit_print("holds %u %u %u %u\r\n", begun, watched, made, seen);
	flood(true);
}

static void paths(void)
{
	static const char *const path[] = {
		"/local/domain/0/name",
		"/local/domain/0/backend",
		"/vm",
		"/",
		"..",
		"a//b",
		"a/",
		"/local/domain/0/backend/vif/0/0/state",
		"@releaseDomain",
		"name",
		"",
	};
	char value[64];
	uint32_t got = 0;

	for (uint32_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		if (kit_store_write(0, path[i], "mine") >= 0)
			kit_print("wrote %s\r\n", path[i]);
		if (kit_store_read(0, path[i], value, sizeof(value)) >= 0)
			got++;
	}
	kit_print("read %u\r\n", got); /* its own name */
}

int guest_main(void)
{
	size_t len = 0;
	const char *how = kit_option_text("how=", 0, &len);

	kit_traps();
	if (!how || !kit.store) {
		kit_print("store: no how= or no store\r\n");
		return 2;
	}
	kit_print("hostile %c%c\r\n", how[0], how[1]);
	if (how[0] == 'q' || how[0] == 'p') {
		if (how[0] == 'q')
			quota();
		else
			paths();
		return 0;
	}
	if (how[0] == 'i')
		kit.store->req_prod = kit.store->req_cons + XENSTORE_RING_SIZE + 1;
	else if (how[0] == 'l')
		say(XS_READ, XENSTORE_PAYLOAD_MAX + 1);
	else if (how[0] == 'a')
		kit.store->rsp_cons = kit.store->rsp_prod + 1;
	else if (how[0] == 'f')
		flood(false);
	else if (how[0] == 'h')
		hold();
	notify();
	while (how[0] == 's')
		notify();
	for (;;)
		kit_wait(0);
}
