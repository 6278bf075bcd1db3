/* SPDX-License-Identifier: BSD-3-Clause */
/* The pure parts of the guest kit: the store's ring and messages, options, formatting. */
#include "guests/kit/classic.h"

#include "tests/unit/unit.h"

struct kit kit = {.cmdline = ""};

static void bytes_go_round_the_ring(void **state)
{
	static struct xenstore_domain_interface ring;
	char in[300];
	char out[300];
	uint32_t sent = 0;
	uint32_t got = 0;

	(void)state;
	ring.req_cons = ring.req_prod = UINT32_MAX - 100;
	for (uint32_t round = 0; round < 50; round++) {
		int n;

		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = (char)(sent + i);
		n = wire_put(&ring, in, sizeof(in));
		assert_in_range(n, 0, sizeof(in));
		sent += (uint32_t)n;
		assert_true(ring.req_prod - ring.req_cons <= XENSTORE_RING_SIZE);
		for (int i = 0; i < 150 && ring.req_cons != ring.req_prod; i++, got++)
			assert_int_equal(ring.req[MASK_XENSTORE_IDX(ring.req_cons++)], (char)got);
	}
	assert_int_equal(sent - got, ring.req_prod - ring.req_cons);
	assert_int_equal(wire_put(&ring, in, 0), 0);

	memset(&ring, 0, sizeof(ring));
	ring.rsp_prod = 200;
	memset(ring.rsp, 'x', 200);
	assert_int_equal(wire_get(&ring, out, 150), 150);
	assert_int_equal(wire_get(&ring, out, 150), 50);
	assert_int_equal(wire_get(&ring, out, 150), 0);
	assert_int_equal(ring.rsp_cons, 200);
}

static void senseless_indices_are_refused(void **state)
{
	static struct xenstore_domain_interface ring;
	char buf[8];

	(void)state;
	ring.req_cons = 1; /* took what was never put */
	assert_int_equal(wire_put(&ring, "x", 1), -1);
	ring.rsp_prod = XENSTORE_RING_SIZE + 1;
	assert_int_equal(wire_get(&ring, buf, sizeof(buf)), -1);
	assert_int_equal(ring.rsp_cons, 0);
}

static void replies_are_told_from_others(void **state)
{
	struct xsd_sockmsg m = {.type = XS_READ, .req_id = 7, .len = 3};

	(void)state;
	assert_int_equal(wire_kind(&m, XS_READ, 7), WIRE_REPLY);
	assert_int_equal(wire_kind(&m, XS_READ, 8), WIRE_BROKEN);
	assert_int_equal(wire_kind(&m, XS_WRITE, 7), WIRE_BROKEN);
	m.type = XS_ERROR;
	assert_int_equal(wire_kind(&m, XS_WRITE, 7), WIRE_REPLY);
	m.type = XS_WATCH_EVENT;
	m.req_id = 0;
	assert_int_equal(wire_kind(&m, XS_WRITE, 7), WIRE_EVENT);
	m.len = XENSTORE_PAYLOAD_MAX + 1;
	assert_int_equal(wire_kind(&m, XS_WRITE, 7), WIRE_BROKEN);
	assert_int_equal(wire_error("ENOENT", 7), KIT_STORE_ENOENT);
	assert_int_equal(wire_error("EAGAIN", 6), KIT_STORE_EAGAIN);
	assert_int_equal(wire_error("ENO", 3), KIT_STORE_ERROR);
	assert_int_equal(wire_error("EINVAL", 7), KIT_STORE_ERROR);
}

static void values_are_read_strictly(void **state)
{
	static const uint8_t wanted[6] = {0, 0x16, 0x3e, 0xaB, 0xcd, 0xff};
	uint8_t mac[6];

	(void)state;
	assert_true(classic_mac("00:16:3e:aB:CD:ff", mac));
	assert_memory_equal(mac, wanted, 6);
	assert_false(classic_mac("00:16:3e:ab:cd:f", mac));
	assert_false(classic_mac("00:16:3e:ab:cd:ff0", mac));
	assert_false(classic_mac("00:16:3e:ab:cd-ff", mac));
	assert_false(classic_mac("", mac));
	assert_int_equal(classic_number("0", 5), 0);
	assert_true(classic_number("18446744073709551615", 5) == UINT64_MAX);
	assert_int_equal(classic_number("18446744073709551616", 5), 5);
	assert_int_equal(classic_number("99999999999999999999", 5), 5);
	assert_int_equal(classic_number("", 5), 5);
	assert_int_equal(classic_number("12x", 5), 5);
}

static void options_are_whole_words(void **state)
{
	size_t len = 0;

	(void)state;
	kit.cmdline = "exitcode=3  exit=4 deny=a deny=bc x";
	assert_int_equal(kit_option("exit", 9), 4);
	assert_int_equal(kit_option("exi", 9), 9);
	assert_int_equal(kit_option("it", 9), 9);
	assert_int_equal(kit_option("x", 9), 9);
	assert_memory_equal(kit_option_text("deny=", 1, &len), "bc", 2);
	assert_int_equal(len, 2);
	assert_null(kit_option_text("deny=", 2, &len));
	kit.cmdline = "";
	assert_int_equal(kit_option("exit", 9), 9);
	assert_null(kit_option_text("deny=", 0, &len));
}

static int format(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kit_format(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static void formats_like_printf(void **state)
{
	char buf[64];

	(void)state;
	assert_int_equal(format(buf, sizeof(buf), "%s %d %05d %x %lu|%4u|%c%%", "a", -3, -42, 255,
				1ul << 40, 7, 'z'),
			 35);
	assert_string_equal(buf, "a -3 -0042 ff 1099511627776|   7|z%");
	assert_int_equal(format(buf, 4, "%s", "abcdef"), 6);
	assert_string_equal(buf, "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_round_the_ring),
		cmocka_unit_test(senseless_indices_are_refused),
		cmocka_unit_test(replies_are_told_from_others),
		cmocka_unit_test(values_are_read_strictly),
		cmocka_unit_test(options_are_whole_words),
		cmocka_unit_test(formats_like_printf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
