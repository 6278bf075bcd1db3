/* SPDX-License-Identifier: BSD-3-Clause */
/* netback's way to the guest: slots, offloads, and frames that must wait. */
#include "tests/unit/backend/backend_net.h"

static void give(struct env *v, int slots)
{
	for (int i = 0; i < slots; i++) {
		struct netif_rx_request r = {.id = (uint16_t)(v->rx.prod & 0xff)};

		r.gref = v->rx.prod % 256;
		front_put(&v->rx, &r, sizeof(r));
	}
}

static void from_tap(struct env *v, const struct virtio_net_hdr *h, uint8_t fill, uint32_t bytes)
{
	static uint8_t frame[70000];

	memset(frame, fill, sizeof(frame));
	memcpy(frame, h, sizeof(*h));
	assert_int_equal(send(v->tap, frame, sizeof(*h) + bytes, 0), sizeof(*h) + bytes);
}

static struct netif_rx_response rx_answer(struct env *v)
{
	struct netif_rx_response r = {0};

	assert_true(front_get(&v->rx, &r, sizeof(r)));
	return r;
}

static void rx_one_frame(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr plain = {0};
	const struct virtio_net_hdr blank = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	const struct virtio_net_hdr valid = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	struct netif_rx_response r;

	give(v, 4);
	from_tap(v, &plain, 9, 60);
	from_tap(v, &blank, 8, 4096);
	from_tap(v, &valid, 7, 61);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_int_equal(v->guest.copies, 1);
	netback_notify(&v->n);
	assert_int_equal(v->guest.notified, 1);
	r = rx_answer(v);
	assert_int_equal(r.id, 0);
	assert_int_equal(r.status, 60);
	assert_int_equal(r.flags, 0);
	assert_int_equal(v->guest.page[0][59], 9);
	r = rx_answer(v);
	assert_int_equal(r.id, 1);
	assert_int_equal(r.status, 4096);
	assert_int_equal(r.flags, NETRXF_csum_blank | NETRXF_data_validated);
	assert_int_equal(v->guest.page[1][4095], 8);
	assert_int_equal(rx_answer(v).flags, NETRXF_data_validated);
	assert_int_equal(v->n.rx.frames, 3);
	assert_false(v->n.rx_full);
}

static void rx_gso(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					 .gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
					 .gso_size = 1440};
	struct netif_rx_response r;
	struct netif_extra_info x = {0};

	give(v, 20);
	from_tap(v, &h, 5, 65535);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	r = rx_answer(v);
	assert_int_equal(r.flags, NETRXF_csum_blank | NETRXF_data_validated | NETRXF_more_data |
					  NETRXF_extra_info);
	assert_true(front_get(&v->rx, &x, sizeof(x)));
	assert_int_equal(x.type, XEN_NETIF_EXTRA_TYPE_GSO);
	assert_int_equal(x.flags, 0);
	assert_int_equal(x.u.gso.size, 1440);
	assert_int_equal(x.u.gso.type, XEN_NETIF_GSO_TYPE_TCPV6);
	for (int i = 2; i < 17; i++) {
		r = rx_answer(v);
		assert_int_equal(r.id, i);
		assert_int_equal(r.status, i < 16 ? 4096 : 4095);
		assert_int_equal(r.flags, i < 16 ? NETRXF_more_data : 0);
		assert_int_equal(v->guest.page[i][4094], 5);
	}
	assert_false(front_get(&v->rx, &r, sizeof(r)));
}

static void rx_waits_for_slots(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr h = {0};

	from_tap(v, &h, 1, 60);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_true(v->n.rx_full);
	assert_int_equal(v->rx.page->req_event, 1);
	give(v, 1);
	from_tap(v, &h, 2, 10000); /* three slots, of which there are none */
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_int_equal(rx_answer(v).status, 60);
	assert_true(v->n.rx_full);
	give(v, 1);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_true(v->n.rx_full);
	assert_non_null(v->n.held);
	assert_int_equal(v->rx.page->req_event, 1 + 3);
	give(v, 2);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_null(v->n.held);
	assert_int_equal(rx_answer(v).status, 4096);
	assert_int_equal(rx_answer(v).status, 4096);
	assert_int_equal(rx_answer(v).status, 10000 - 8192);
	assert_int_equal(v->guest.page[3][0], 2);
	assert_int_equal(v->n.rx.frames, 2);
}

/* Frames that come one by one are taken without a second look; batches come back by themselves. */
static void rx_batches_come_back(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr h = {0};
	bool looked_once = false;
	int passes = 0;

	give(v, 200);
	for (int i = 0; i < 10; i++) {
		from_tap(v, &h, 0, 60);
		assert_int_equal(netback_rx(&v->n, &v->e), 0);
		assert_int_equal(v->n.rx.frames, i + 1);
	}
	for (uint64_t before = v->n.rx.frames; passes < 50; passes++, before = v->n.rx.frames) {
		from_tap(v, &h, 0, 60);
		from_tap(v, &h, 0, 60);
		assert_int_equal(netback_rx(&v->n, &v->e), 0);
		if (v->n.rx.frames - before > 1)
			break; /* all that had gathered in the meantime */
		looked_once = true;
		from_tap(v, &h, 0, 60);
		while (v->n.rx.frames < before + 3)
			assert_int_equal(netback_rx(&v->n, &v->e), 0);
	}
	assert_true(looked_once);
	assert_true(passes < 20);
	assert_int_equal(v->n.rx.dropped, 0);
}

static void rx_drops_what_it_did_not_offer(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr blank = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	const struct virtio_net_hdr gso = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 9};
	const struct virtio_net_hdr zero = {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4};
	const struct virtio_net_hdr udp = {.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 9};
	const struct virtio_net_hdr plain = {0};

	v->n.features = NET_RX_GSO6;
	give(v, 20);
	from_tap(v, &blank, 0, 60);
	from_tap(v, &gso, 0, 60);
	from_tap(v, &udp, 0, 60);
	from_tap(v, &plain, 0, 4097);
	from_tap(v, &plain, 0, 0);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	v->n.features = NET_FEATURES;
	from_tap(v, &zero, 0, 60);
	from_tap(v, &plain, 0, 69700); /* no slots for as much */
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_int_equal(v->n.rx.dropped, 7);
	assert_int_equal(v->rx.page->rsp_prod, 0);
}

static void rx_bad_grant(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr h = {0};

	give(v, 2);
	v->guest.revoked[0] = true;
	from_tap(v, &h, 0, 60);
	from_tap(v, &h, 0, 60);
	assert_int_equal(netback_rx(&v->n, &v->e), 0);
	assert_int_equal(rx_answer(v).status, NETIF_RSP_ERROR);
	assert_int_equal(rx_answer(v).status, 60);
}

static void rx_broken(void **state)
{
	struct env *v = *state;
	const struct virtio_net_hdr h = {0};

	give(v, 2);
	from_tap(v, &h, 0, 60);
	v->guest.copy_rc = -EFAULT;
	assert_int_equal(netback_rx(&v->n, &v->e), -EFAULT);
	v->rx.page->req_prod = 1000;
	assert_int_equal(netback_rx(&v->n, &v->e), -EPROTO);
	assert_non_null(strstr(v->e.msg, "rx ring"));
}

static void rx_tap_gone(void **state)
{
	struct env *v = *state;

	give(v, 2);
	(void)close(v->tap);
	v->tap = -1;
	assert_int_equal(netback_rx(&v->n, &v->e), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(rx_one_frame),
		T(rx_gso),
		T(rx_batches_come_back),
		T(rx_waits_for_slots),
		T(rx_drops_what_it_did_not_offer),
		T(rx_bad_grant),
		T(rx_broken),
		T(rx_tap_gone),
	};

	return cmocka_run_group_tests_name("backend_net_rx", tests, NULL, NULL);
}
