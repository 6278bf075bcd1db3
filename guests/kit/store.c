/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the store on the guest's ring: one request at a time; watch events may come in
 * between. */
#include "classic.h"

#include <xen/event_channel.h>

#include "hypercall.h"

struct piece {
	const void *data;
	size_t len;
};

static struct {
	uint32_t req_id;
	bool fired;
	bool broken;
	/* a message that has come in part */
	struct xsd_sockmsg head;
	uint32_t have; /* bytes of head and payload */
	char payload[XENSTORE_PAYLOAD_MAX + 1];
} store;

static bool usable(void)
{
	return kit.store && kit.store_port && !store.broken;
}

static void notify(void)
{
	struct evtchn_send send = {.port = kit.store_port};

	(void)hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static int fail(void)
{
	store.broken = true;
	kit_print("the store broke its protocol\r\n");
	return KIT_STORE_NONE;
}

static int put(const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		int n = wire_put(kit.store, at, len);

		if (n < 0)
			return fail();
		at += n;
		len -= (size_t)n;
		if (n)
			notify();
		else
			kit_wait_port(kit.store_port, 0);
	}
	return 0;
}

/* Reads available bytes of the next message: 1 if it is complete, otherwise 0. */
static int take(void)
{
	const uint32_t head = sizeof(store.head);
	int n = 0;

	if (store.have < head) {
		n = wire_get(kit.store, (char *)&store.head + store.have, head - store.have);
		if (n < 0)
			return fail();
		store.have += (uint32_t)n;
	}
	if (store.have >= head) {
		int m;

		if (store.head.len > XENSTORE_PAYLOAD_MAX)
			return fail();
		m = wire_get(kit.store, store.payload + (store.have - head),
			     store.head.len - (store.have - head));
		if (m < 0)
			return fail();
		store.have += (uint32_t)m;
		n += m;
	}
	if (n)
		notify();
	if (store.have < head || store.have - head < store.head.len)
		return 0;
	store.payload[store.head.len] = '\0';
	store.have = 0;
	return 1;
}

/* Sends a request and receives its reply into store.payload; returns its length or an error. */
static int call(uint32_t type, uint32_t tx, const struct piece *pieces, int n)
{
	struct xsd_sockmsg head = {.type = type, .tx_id = tx, .req_id = ++store.req_id};
	int rc;

	if (!usable())
		return KIT_STORE_NONE;
	for (int i = 0; i < n; i++)
		head.len += (uint32_t)pieces[i].len;
	if (head.len > XENSTORE_PAYLOAD_MAX)
		return KIT_STORE_ERROR;
	rc = put(&head, sizeof(head));
	for (int i = 0; i < n && rc == 0; i++)
		rc = put(pieces[i].data, pieces[i].len);
	while (rc == 0) {
		rc = take();
		if (rc == 0) {
			kit_wait_port(kit.store_port, 0);
			continue;
		}
		if (rc < 0)
			break;
		rc = 0;
		switch (wire_kind(&store.head, type, head.req_id)) {
		case WIRE_EVENT:
			store.fired = true;
			break;
		case WIRE_REPLY:
			if (store.head.type == XS_ERROR)
				return wire_error(store.payload, store.head.len);
			return (int)store.head.len;
		case WIRE_BROKEN:
		default:
			return fail();
		}
	}
	return rc;
}

/* Copies a reply of n bytes, or returns an error. */
static int result(int n, char *to, size_t size)
{
	size_t len;

	if (n < 0)
		return n;
	len = (size_t)n < size ? (size_t)n : size - 1;
	memcpy(to, store.payload, len);
	to[len] = '\0';
	return (int)len;
}

int kit_store_read(uint32_t tx, const char *path, char *value, size_t size)
{
	const struct piece p = {path, strlen(path) + 1};

	return result(call(XS_READ, tx, &p, 1), value, size);
}

int kit_store_list(const char *path, char *names, size_t size)
{
	const struct piece p = {path, strlen(path) + 1};

	return result(call(XS_DIRECTORY, 0, &p, 1), names, size);
}

int kit_store_write(uint32_t tx, const char *path, const char *value)
{
	const struct piece p[] = {{path, strlen(path) + 1}, {value, strlen(value)}};

	return call(XS_WRITE, tx, p, 2);
}

int kit_store_watch(const char *path, const char *token)
{
	const struct piece p[] = {{path, strlen(path) + 1}, {token, strlen(token) + 1}};

	return call(XS_WATCH, 0, p, 2);
}

int kit_store_unwatch(const char *path, const char *token)
{
	const struct piece p[] = {{path, strlen(path) + 1}, {token, strlen(token) + 1}};

	return call(XS_UNWATCH, 0, p, 2);
}

int kit_store_begin(uint32_t *tx)
{
	const struct piece p = {"", 1};
	int n = call(XS_TRANSACTION_START, 0, &p, 1);

	if (n < 0)
		return n;
	*tx = (uint32_t)classic_number(store.payload, 0);
	return *tx ? 0 : KIT_STORE_ERROR;
}

int kit_store_end(uint32_t tx, bool commit)
{
	const struct piece p = {commit ? "T" : "F", 2};

	return call(XS_TRANSACTION_END, tx, &p, 1);
}

bool kit_store_fired(void)
{
	bool fired;

	while (usable() && take() == 1) {
		if (store.head.type != XS_WATCH_EVENT) {
			(void)fail();
			break;
		}
		store.fired = true;
	}
	fired = store.fired;
	store.fired = false;
	return fired;
}
