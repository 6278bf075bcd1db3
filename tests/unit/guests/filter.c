/* SPDX-License-Identifier: BSD-3-Clause */
/* fw's rules and what they say of frames. */
#include "guests/filter.h"

#include <string.h>

#include "tests/unit/unit.h"

static bool add(struct filter *f, bool allow, const char *text)
{
	return filter_add(f, allow, text, strlen(text));
}

/* An Ethernet frame around IPv4 or IPv6 with `proto`; returns where its payload starts. */
static uint32_t make4(uint8_t *frame, uint8_t proto, uint16_t port, uint16_t fragment)
{
	memset(frame, 0, 128);
	frame[12] = 8;
	frame[14] = 0x45;
	frame[17] = 60;
	frame[20] = (uint8_t)(fragment >> 8);
	frame[21] = (uint8_t)fragment;
	frame[23] = proto;
	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
	return 34;
}

static uint32_t make6(uint8_t *frame, const uint8_t *chain, uint32_t n, uint16_t port)
{
	uint32_t at = 54;

	memset(frame, 0, 256);
	frame[12] = 0x86;
	frame[13] = 0xdd;
	frame[14] = 0x60;
	frame[20] = chain[0];
	for (uint32_t i = 1; i < n; at += chain[i - 1] == 51 ? 16 : 8, i++) {
		frame[at] = chain[i];
		frame[at + 1] = chain[i - 1] == 51 ? 2 : 0; /* AH counts words, less 2 */
	}
	frame[at + 2] = (uint8_t)(port >> 8);
	frame[at + 3] = (uint8_t)port;
	return at;
}

static void rules_are_read_strictly(void **state)
{
	static const char *const bad[] = {
		"",	"tcp/",	  "tcp/x",  "tcp/70000", "tcp/1-", "tcp/2-1",	    "tcp/1-2-3",
		"tcpx", "sctp/1", "icmp/3", "tc",	 "/23",	   "tcp/4294967319"};
	static const char *const good[] = {"tcp",  "udp/53", "tcp/0-65535",
					   "icmp", "icmp6",  "udp/1000-2000"};
	struct filter f = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(add(&f, true, bad[i]));
	assert_int_equal(f.n, 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(add(&f, false, good[i]));
	assert_int_equal(f.n, 6);
	assert_int_equal(f.rule[1].proto, 17);
	assert_int_equal(f.rule[1].first, 53);
	assert_int_equal(f.rule[1].last, 53);
	assert_int_equal(f.rule[5].last, 2000);
	while (f.n < FILTER_RULES)
		assert_true(add(&f, false, "tcp/1"));
	assert_false(add(&f, false, "tcp/1"));
	assert_false(filter_add(&(struct filter){0}, true, "tcp/23 x", 8));
	assert_true(filter_add(&(struct filter){0}, true, "tcp/23 x", 6));
}

static void the_first_match_decides(void **state)
{
	struct filter f = {0};
	uint8_t frame[128];

	(void)state;
	assert_true(add(&f, true, "tcp/22"));
	assert_true(add(&f, false, "tcp/20-25"));
	assert_true(add(&f, false, "udp/53"));
	for (uint16_t port = 18; port < 28; port++) {
		bool denied = port >= 20 && port <= 25 && port != 22;

		make4(frame, 6, port, 0);
		assert_int_equal(filter_frame(&f, frame, 74, 74),
				 denied ? FILTER_DENY : FILTER_PASS);
		make4(frame, 17, port, 0);
		assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_PASS);
	}
	make4(frame, 17, 53, 0);
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_DENY);
	f.deny_rest = true;
	make4(frame, 1, 0, 0);
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_DENY);
	frame[13] = 6; /* ARP */
	assert_int_equal(filter_frame(&f, frame, 60, 60), FILTER_PASS);
	frame[12] = 0x88; /* something else */
	assert_int_equal(filter_frame(&f, frame, 60, 60), FILTER_DENY);
	f.deny_rest = false;
	assert_int_equal(filter_frame(&f, frame, 60, 60), FILTER_PASS);
}

static void tags_and_extension_headers_hide_nothing(void **state)
{
	static const uint8_t chains[][6] = {{6}, {0, 6}, {0, 60, 43, 6}, {51, 6}, {0, 44, 60, 6}};
	static const uint32_t lengths[] = {1, 2, 4, 2, 4};
	struct filter f = {0};
	uint8_t frame[256];
	uint8_t tagged[256] = {0};

	(void)state;
	assert_true(add(&f, false, "tcp/23"));
	for (int i = 0; i < 5; i++) {
		uint32_t at = make6(frame, chains[i], lengths[i], 23);

		assert_int_equal(filter_frame(&f, frame, at + 20, at + 20), FILTER_DENY);
		assert_int_equal(filter_frame(&f, frame, at + 3, at + 3), FILTER_MALFORMED);
		frame[at + 3] = 24;
		assert_int_equal(filter_frame(&f, frame, at + 20, at + 20), FILTER_PASS);
	}
	make4(frame, 6, 23, 0);
	for (uint32_t tags = 1; tags <= 3; tags++) {
		memset(tagged, 0, sizeof(tagged));
		for (uint32_t i = 0; i < tags; i++)
			tagged[12 + 4 * i] = i ? 0x81 : 0x88, tagged[13 + 4 * i] = i ? 0 : 0xa8;
		memcpy(tagged + 12 + 4 * tags, frame + 12, 100);
		assert_int_equal(filter_frame(&f, tagged, 90, 90),
				 tags < 3 ? FILTER_DENY : FILTER_MALFORMED);
	}
}

static void fragments_follow_their_first(void **state)
{
	static const uint8_t chain[] = {44, 6};
	struct filter f = {0};
	uint8_t frame[256];
	uint32_t at;

	(void)state;
	assert_true(add(&f, false, "tcp/23"));
	make4(frame, 6, 23, 0x2000); /* first: more fragments, offset 0 */
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_DENY);
	make4(frame, 6, 23, 0x2001);
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_PASS);
	at = make6(frame, chain, 2, 23);
	frame[at - 8 + 3] = 8; /* offset 1 */
	assert_int_equal(filter_frame(&f, frame, at + 8, at + 8), FILTER_PASS);
	assert_true(add(&f, true, "udp/53"));
	assert_true(add(&f, false, "udp"));
	make4(frame, 17, 9, 0x0001);
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_PASS); /* may belong to port 53 */
	f.rule[1].allow = false;
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_DENY); /* all of UDP is denied */
}

static void what_is_not_whole_is_denied(void **state)
{
	struct filter f = {0};
	uint8_t frame[256];

	(void)state;
	make4(frame, 6, 80, 0);
	for (uint32_t len = 0; len < 38; len++)
		assert_int_equal(filter_frame(&f, frame, len, len), FILTER_MALFORMED);
	assert_int_equal(filter_frame(&f, frame, 38, 38), FILTER_PASS);
	frame[14] = 0x44; /* header of 16 bytes */
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_MALFORMED);
	frame[14] = 0x4f; /* of 60 */
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_MALFORMED);
	frame[14] = 0x65; /* IPv6 in an IPv4 frame */
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_MALFORMED);
	frame[14] = 0x45;
	frame[17] = 23; /* ends within the ports */
	assert_int_equal(filter_frame(&f, frame, 74, 74), FILTER_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read_strictly),
		cmocka_unit_test(the_first_match_decides),
		cmocka_unit_test(tags_and_extension_headers_hide_nothing),
		cmocka_unit_test(fragments_follow_their_first),
		cmocka_unit_test(what_is_not_whole_is_denied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
