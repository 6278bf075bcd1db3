/* SPDX-License-Identifier: BSD-3-Clause */
/* netback's way from the guest: frames, offloads, and what breaks the protocol. */
#include "tests/unit/backend/backend_net.h"

static void put_tx(struct env *v, uint32_t gref, uint16_t offset, uint16_t size, uint16_t flags)
{
	struct netif_tx_request r = {.gref = gref, .offset = offset, .size = size, .flags = flags};

	r.id = (uint16_t)(1000 + v->tx.prod);
	front_put(&v->tx, &r, sizeof(r));
}

static void put_extra(struct env *v, uint8_t type, uint8_t flags, uint16_t size, uint8_t gso)
{
	struct netif_extra_info x = {.type = type, .flags = flags};

	x.u.gso.size = size;
	x.u.gso.type = gso;
	front_put(&v->tx, &x, sizeof(x));
}

/* The answer to the next request, with the id it must have. */
static int tx_status(struct env *v)
{
	struct netif_tx_response r = {0};
	uint16_t id = (uint16_t)(1000 + v->tx.cons);

	assert_true(front_get(&v->tx, &r, sizeof(r)));
	if (r.status != NETIF_RSP_NULL)
		assert_int_equal(r.id, id);
	return r.status;
}

/* Headers of TCP over IPv4 with 20 + 20 bytes. */
static void tcp4(uint8_t *p)
{
	memset(p, 0, 54);
	p[12] = 0x08;
	p[14] = 0x45;
	p[23] = 6;
	p[46] = 0x50;
}

static void tx_one_frame(void **state)
{
	struct env *v = *state;
	uint8_t got[200];

	memset(v->guest.page[5] + 100, 0xab, 60);
	put_tx(v, 5, 100, 60, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), 10 + 60);
	assert_memory_equal(got + 10, v->guest.page[5] + 100, 60);
	for (int i = 0; i < 10; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
	netback_notify(&v->n);
	assert_int_equal(v->guest.notified, 1);
	assert_int_equal(v->n.tx.frames, 1);
	assert_int_equal(v->n.tx.bytes, 60);
	/* it will be told of the next request; not told without being asked */
	assert_int_equal(v->tx.page->req_event, 2);
	v->tx.page->rsp_event = 100;
	put_tx(v, 5, 100, 60, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	netback_notify(&v->n);
	assert_int_equal(v->guest.notified, 1);
}

static void tx_chain_with_gso(void **state)
{
	struct env *v = *state;
	struct virtio_net_hdr h;
	uint8_t got[10000];

	tcp4(v->guest.page[1] + 10);
	memset(v->guest.page[2], 2, RING_PAGE);
	memset(v->guest.page[3], 3, RING_PAGE);
	/* headers end in the second slot; the first one's size is the whole frame's */
	put_tx(v, 1, 10, 40 + 14 + 4096 + 96,
	       NETTXF_csum_blank | NETTXF_more_data | NETTXF_extra_info);
	put_extra(v, XEN_NETIF_EXTRA_TYPE_HASH, XEN_NETIF_EXTRA_FLAG_MORE, 0, 0);
	put_extra(v, XEN_NETIF_EXTRA_TYPE_GSO, 0, 1448, XEN_NETIF_GSO_TYPE_TCPV4);
	memcpy(v->guest.page[4], v->guest.page[1] + 50, 14);
	put_tx(v, 4, 0, 14, NETTXF_more_data);
	put_tx(v, 2, 0, 4096, NETTXF_more_data);
	put_tx(v, 3, 4000, 96, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	assert_int_equal(v->guest.copies, 1);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), 10 + 54 + 4192);
	memcpy(&h, got, sizeof(h));
	assert_int_equal(h.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1448);
	assert_int_equal(h.hdr_len, 54);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
	assert_int_equal(got[10 + 54], 2);
	assert_int_equal(got[10 + 54 + 4096], 3);
	assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
	assert_int_equal(tx_status(v), NETIF_RSP_NULL);
	assert_int_equal(tx_status(v), NETIF_RSP_NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
}

/* What is wrong with one frame costs that frame alone. */
static void tx_drops(void **state)
{
	struct env *v = *state;
	uint8_t got[100];

	put_tx(v, 1, 0, 13, 0); /* no Ethernet header */
	put_tx(v, 9999, 0, 60, 0);
	put_tx(v, 1, 0, 60, NETTXF_more_data); /* nothing in its first slot */
	put_tx(v, 2, 0, 60, 0);
	put_tx(v, 1, 0, 60, NETTXF_csum_blank); /* no TCP or UDP */
	for (int i = 0; i < 19; i++)
		put_tx(v, 1, 0, i ? 10 : 190, i < 18 ? NETTXF_more_data : 0);
	v->guest.page[1][0] = 0x77;
	put_tx(v, 1, 0, 60, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	for (int i = 0; i < 5 + 19; i++)
		assert_int_equal(tx_status(v), NETIF_RSP_ERROR);
	assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), 70);
	assert_int_equal(got[10], 0x77);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), -1);
	assert_int_equal(v->n.tx.dropped, 5);
	assert_int_equal(v->n.tx.frames, 1);
}

static void tx_full_tap_loses_frames(void **state)
{
	struct env *v = *state;

	for (int i = 0; i < 256; i++)
		put_tx(v, (uint32_t)i, 0, 4000, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	assert_true(v->n.tx.dropped > 0);
	for (int i = 0; i < 256; i++)
		assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
	assert_int_equal(v->guest.copies, 1);
}

/* --- what ends a device --- */

static void broken(struct env *v, const char *why)
{
	assert_int_equal(netback_tx(&v->n, &v->e), -EPROTO);
	assert_non_null(strstr(v->e.msg, why));
}

static void tx_index(void **state)
{
	struct env *v = *state;

	v->tx.page->req_prod = 257;
	broken(v, "impossible index");
}

static void tx_index_backwards(void **state)
{
	struct env *v = *state;

	v->tx.page->req_prod = (uint32_t)-1;
	broken(v, "impossible index");
}

static void tx_crosses_page(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 4000, 97, 0);
	broken(v, "crosses a page");
}

static void tx_crosses_page_later(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 200, NETTXF_more_data);
	put_tx(v, 1, 65535, 100, 0);
	broken(v, "crosses a page");
}

static void tx_crosses_page_first_of_many(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 4090, 107, NETTXF_more_data);
	put_tx(v, 1, 0, 100, 0);
	broken(v, "crosses a page");
}

static void tx_more_than_whole(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_more_data);
	put_tx(v, 1, 0, 101, 0);
	broken(v, "101 bytes in a frame of 100");
}

static void tx_no_end(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_more_data);
	broken(v, "without its end");
}

static void tx_too_many_slots(void **state)
{
	struct env *v = *state;

	for (int i = 0; i < 30; i++)
		put_tx(v, 1, 0, 1, NETTXF_more_data);
	broken(v, "more than 20 slots");
}

static void tx_extra_missing(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_extra_info);
	broken(v, "extra info is missing");
}

static void tx_extra_unknown(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_extra_info);
	put_extra(v, XEN_NETIF_EXTRA_TYPE_MAX, 0, 0, 0);
	broken(v, "unknown type 5");
}

static void tx_extra_none(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_extra_info);
	put_extra(v, 0, 0, 0, 0);
	broken(v, "unknown type 0");
}

static void tx_gso_zero(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_extra_info);
	put_extra(v, XEN_NETIF_EXTRA_TYPE_GSO, 0, 0, XEN_NETIF_GSO_TYPE_TCPV4);
	broken(v, "segments of 0 bytes");
}

static void tx_gso_type(void **state)
{
	struct env *v = *state;

	put_tx(v, 1, 0, 100, NETTXF_extra_info);
	put_extra(v, XEN_NETIF_EXTRA_TYPE_GSO, 0, 1000, 3);
	broken(v, "type 3");
}

static void tx_copy_fails(void **state)
{
	struct env *v = *state;

	v->guest.copy_rc = -ENODEV;
	put_tx(v, 1, 0, 100, 0);
	assert_int_equal(netback_tx(&v->n, &v->e), -ENODEV);
}

/* A backend that is started again goes on where its predecessor stopped. */
static void rings_are_taken_over(void **state)
{
	struct env *v = *state;
	uint8_t got[100];

	put_tx(v, 1, 0, 60, 0);
	put_tx(v, 1, 0, 60, 0);
	v->tx.page->rsp_prod = v->tx.cons = 1;
	netback_init(&v->n, v->tx.page, v->rx.page);
	assert_int_equal(netback_tx(&v->n, &v->e), 0);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), 70);
	assert_int_equal(recv(v->tap, got, sizeof(got), 0), -1);
	assert_int_equal(tx_status(v), NETIF_RSP_OKAY);
}

/* --- headers --- */

static void offload_table(void **state)
{
	static const struct {
		const char *what;
		uint8_t at[8]; /* pairs: index, value over the TCP/IPv4 frame; 0 ends */
		uint32_t len;
		uint16_t gso;
		int rc;
		uint16_t start;
		uint16_t offset;
	} rows[] = {
		{"tcp4", {0}, 100, 0, 0, 34, 16},
		{"udp4", {23, 17}, 100, 0, 0, 34, 6},
		{"options", {14, 0x46}, 100, 0, 0, 38, 16},
		{"fragment", {20, 0x20}, 100, 0, -EINVAL, 0, 0},
		{"later fragment", {21, 1}, 100, 0, -EINVAL, 0, 0},
		{"short header", {14, 0x44}, 100, 0, -EINVAL, 0, 0},
		{"not version 4", {14, 0x55}, 100, 0, -EINVAL, 0, 0},
		{"icmp", {23, 1}, 100, 0, -EINVAL, 0, 0},
		{"arp", {13, 6}, 100, 0, -EINVAL, 0, 0},
		{"cut", {0}, 53, 0, -EINVAL, 0, 0},
		{"cut in ip", {0}, 33, 0, -EINVAL, 0, 0},
		{"cut in ethernet", {0}, 13, 0, -EINVAL, 0, 0},
		{"gso", {0}, 100, 1448, 0, 34, 16},
		{"gso of udp", {23, 17}, 100, 1448, -EINVAL, 0, 0},
		{"gso without data", {0}, 54, 1448, -EINVAL, 0, 0},
		{"gso, tcp header short", {46, 0x40}, 100, 1448, -EINVAL, 0, 0},
		{"gso, tcp header long", {46, 0xf0}, 80, 1448, -EINVAL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_frame f = {.flags = NETTXF_csum_blank,
				      .bytes = rows[i].len,
				      .gso_size = rows[i].gso,
				      .gso_type = XEN_NETIF_GSO_TYPE_TCPV4};
		struct virtio_net_hdr h;
		uint8_t head[NET_HEAD_MAX];

		memset(head, 0, sizeof(head));
		tcp4(head);
		for (int k = 0; k < 8 && rows[i].at[k]; k += 2)
			head[rows[i].at[k]] = rows[i].at[k + 1];
		if (net_offload(head, rows[i].len, &f, &h) != rows[i].rc)
			fail_msg("%s", rows[i].what);
		if (rows[i].rc < 0)
			continue;
		assert_int_equal(h.csum_start, rows[i].start);
		assert_int_equal(h.csum_offset, rows[i].offset);
	}
}

static void offload_ipv6_and_vlan(void **state)
{
	struct net_frame f = {.flags = NETTXF_csum_blank, .bytes = 200};
	struct virtio_net_hdr h;
	uint8_t head[NET_HEAD_MAX] = {0};

	(void)state;
	head[12] = 0x86;
	head[13] = 0xdd;
	head[14] = 0x60;
	head[20] = 17;
	assert_int_equal(net_offload(head, 200, &f, &h), 0);
	assert_int_equal(h.csum_start, 54);
	assert_int_equal(h.csum_offset, 6);
	assert_int_equal(net_offload(head, 53, &f, &h), -EINVAL);
	head[20] = 0; /* hop-by-hop of 16 bytes, then TCP */
	head[54] = 6;
	head[55] = 1;
	head[70 + 12] = 0x50;
	f.gso_size = 1000;
	f.gso_type = XEN_NETIF_GSO_TYPE_TCPV6;
	assert_int_equal(net_offload(head, 200, &f, &h), 0);
	assert_int_equal(h.csum_start, 70);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	assert_int_equal(h.hdr_len, 90);
	f.gso_type = XEN_NETIF_GSO_TYPE_TCPV4;
	assert_int_equal(net_offload(head, 200, &f, &h), -EINVAL);
	f.gso_size = 0;
	head[20] = 44; /* a fragment */
	assert_int_equal(net_offload(head, 200, &f, &h), -EINVAL);
	head[20] = 0;
	head[54] = 0;
	head[55] = 255; /* options beyond what is there */
	assert_int_equal(net_offload(head, 200, &f, &h), -EINVAL);
	memset(head + 54, 0, 100); /* options for ever */
	assert_int_equal(net_offload(head, 200, &f, &h), -EINVAL);
	memset(head, 0, sizeof(head));
	tcp4(head + 4);
	head[12] = 0x81;
	head[13] = 0;
	head[16] = 0x08;
	head[17] = 0;
	assert_int_equal(net_offload(head, 200, &f, &h), 0);
	assert_int_equal(h.csum_start, 38);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tx_one_frame),
		T(tx_chain_with_gso),
		T(tx_drops),
		T(tx_full_tap_loses_frames),
		T(tx_index),
		T(tx_index_backwards),
		T(tx_crosses_page),
		T(tx_crosses_page_later),
		T(tx_crosses_page_first_of_many),
		T(tx_more_than_whole),
		T(tx_no_end),
		T(tx_too_many_slots),
		T(tx_extra_missing),
		T(tx_extra_unknown),
		T(tx_extra_none),
		T(tx_gso_zero),
		T(tx_gso_type),
		T(tx_copy_fails),
		T(rings_are_taken_over),
		cmocka_unit_test(offload_table),
		cmocka_unit_test(offload_ipv6_and_vlan),
	};

	return cmocka_run_group_tests_name("backend_net_tx", tests, NULL, NULL);
}
