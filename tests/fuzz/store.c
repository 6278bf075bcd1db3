/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that says anything to the store, beside one that it must not reach; and any journal. */
#include "store/private.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct store_conn_ops ops;

static void must(bool ok)
{
	if (!ok)
		__builtin_trap();
}

static void own(struct store *s, const char *top, const char *data, uint32_t domid)
{
	struct store_perm read[] = {{0, STORE_NONE}, {domid, STORE_READ}};
	struct store_perm owner = {domid, STORE_NONE};

	must(store_mkdir(s, top) == 0 && store_set_perms(s, top, read, 2) == 0);
	must(store_putf(s, data, "secret") == 0 && store_set_perms(s, data, &owner, 1) == 0);
}

/* Takes answers out, and checks that they are messages; the last transaction's id. */
static uint32_t hear(struct store_conn *c, uint32_t tx)
{
	const uint8_t *out;
	uint32_t n;

	while ((n = store_conn_output(c, &out)) > 0) {
		struct xsd_sockmsg h;

		must(n >= sizeof(h));
		memcpy(&h, out, sizeof(h));
		must(h.len <= STORE_PAYLOAD_MAX && n - sizeof(h) >= h.len);
		if (h.type == XS_TRANSACTION_START && h.len < 12)
			tx = (uint32_t)strtoul((const char *)out + sizeof(h), NULL, 10);
		store_conn_sent(c, (uint32_t)sizeof(h) + h.len);
	}
	return tx;
}

/* type, transaction or not, length, payload; a type of 0xc0 or more: raw bytes. */
static void talk(struct store_conn *c, const uint8_t *data, size_t size)
{
	uint32_t tx = 0;

	while (size >= 3) {
		uint8_t whole[sizeof(struct xsd_sockmsg) + 256];
		uint32_t len = data[2] < size - 3 ? data[2] : (uint32_t)(size - 3);
		struct xsd_sockmsg h = {data[0] % 26u, 1, data[1] & 1 ? tx : data[1] / 2, len};
		bool raw = data[0] >= 0xc0;

		memcpy(whole, &h, sizeof(h));
		memcpy(whole + sizeof(h), data + 3, len);
		if (store_conn_input(c, raw ? data + 3 : whole,
				     raw ? len : len + (uint32_t)sizeof(h)) < 0)
			return;
		if (!(data[1] & 0x80))
			tx = hear(c, tx);
		data += 3 + len;
		size -= 3 + len;
	}
}

static void guest(const uint8_t *data, size_t size)
{
	struct store_quota q = {
		.nodes = 40, .watches = 10, .bytes = 8192, .memory = 65536, .queue_bytes = 4096};
	struct store_conn *bad;
	struct store_conn *good;
	struct store_numbers n;
	struct store *s;

	must(store_open(NULL, &q, &s, NULL) == 0);
	own(s, "/local/domain/7", "/local/domain/7/data", 7);
	own(s, "/local/domain/8", "/local/domain/8/data", 8);
	must(store_conn_new(s, 7, true, &ops, NULL, &bad, NULL) == 0);
	must(store_conn_new(s, 8, true, &ops, NULL, &good, NULL) == 0);
	talk(bad, data, size);
	must(store_domain_numbers(s, 7, &n) == 0);
	must(n.nodes <= q.nodes && n.watches <= q.watches && n.bytes <= q.bytes + 512);
	must(n.memory <= q.memory + 65536); /* output is charged, and not refused */
	must(strcmp(store_get(s, "/local/domain/8/data", NULL), "secret") == 0);
	must(store_get(s, "/local/domain/7", NULL) != NULL);
	must(good->out_len == 0);
	store_forget_domain(s, 7);
	must(store_domain_numbers(s, 7, &n) == -ENOENT);
	store_close(s);
}

static void journal(const uint8_t *data, size_t size)
{
	struct store *s;

	must(store_open(NULL, NULL, &s, NULL) == 0);
	if (store_replay(s, data, size) == 0) {
		(void)store_putf(s, "/local/domain/7/data/x", "1");
		while (s->conns)
			store_forget_domain(s, s->conns->domid);
		must(s->conns == NULL && s->watches == 0 && s->transactions == 0);
	}
	store_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (*data & 1)
		journal(data + 1, size - 1);
	else
		guest(data + 1, size - 1);
	return 0;
}
