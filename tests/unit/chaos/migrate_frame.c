/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of another host: what is whole is taken, to the byte, and all else refused in one line.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chaos/migrate_frame.h"
#include "tests/unit/unit.h"

static int p[2];

static int open_pipe(void **state)
{
	(void)state;
	return pipe(p);
}

static int close_pipe(void **state)
{
	(void)state;
	(void)close(p[0]);
	if (p[1] >= 0)
		(void)close(p[1]);
	return 0;
}

static void send_no(const char *text, uint32_t code)
{
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;

	migrate_begin(&w, body);
	wire_u32(&w, PROTO_CODE, code);
	wire_text(&w, PROTO_TEXT, text);
	assert_int_equal(migrate_send(p[1], MIGRATE_NO, &w, NULL), 0);
}

static void what_is_sent_is_received(void **state)
{
	struct migrate_message m;
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;
	char text[16], next;

	(void)state;
	migrate_begin(&w, body);
	wire_text(&w, PROTO_NAME, "web");
	wire_u64(&w, PROTO_MEM_KIB, 4096);
	assert_int_equal(migrate_send(p[1], MIGRATE_OFFER, &w, NULL), 0);
	assert_int_equal(migrate_send(p[1], MIGRATE_GO, NULL, NULL), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(migrate_receive(p[0], &m, -1, NULL), 0);
	assert_int_equal(m.type, MIGRATE_OFFER);
	assert_true(wire_get_text(&m.in, PROTO_NAME, text, sizeof(text)));
	assert_string_equal(text, "web");
	assert_int_equal(wire_get_u64(&m.in, PROTO_MEM_KIB, 0), 4096);
	assert_int_equal(migrate_receive(p[0], &m, 1000, NULL), 0);
	assert_int_equal(m.type, MIGRATE_GO);
	assert_int_equal(read(p[0], &next, 1), 1); /* of the stream behind it */
	assert_int_equal(next, 'x');
}

static void a_refusal_is_an_error_fit_for_a_terminal(void **state)
{
	struct migrate_message m;
	struct err e;

	(void)state;
	send_no("no \x1b[2Jroom\n", ENOMEM);
	assert_int_equal(migrate_receive(p[0], &m, -1, &e), -ECANCELED);
	assert_int_equal(e.code, ENOMEM);
	assert_string_equal(err_msg(&e), "no ?[2Jroom?");
	send_no("", 0xffffffff);
	assert_int_equal(migrate_receive(p[0], &m, -1, &e), -ECANCELED);
	assert_int_equal(e.code, EIO);
}

static void silence_and_ends_are_told_apart(void **state)
{
	struct migrate_message m;
	struct err e;

	(void)state;
	assert_int_equal(migrate_receive(p[0], &m, 0, &e), -ETIMEDOUT);
	assert_int_equal(write(p[1], "chaosMIG", 8), 8);
	assert_int_equal(migrate_receive(p[0], &m, 1, &e), -ETIMEDOUT);
	assert_int_equal(write(p[1], "chaosMIG", 8), 8);
	(void)close(p[1]);
	p[1] = -1;
	assert_int_equal(migrate_receive(p[0], &m, -1, &e), -EPIPE);
}

static void nobody_reads(void **state)
{
	struct err e;

	(void)state;
	(void)close(p[0]);
	assert_int_equal(migrate_send(p[1], MIGRATE_GO, NULL, &e), -EPIPE);
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		uint8_t head[MIGRATE_HEAD];
		int rc;
	} heads[] = {
		{{'S', 'S', 'H', '-', '2', '.', '0', '-', 1, 0, 1}, -EPROTO},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 2, 0, 1}, -EPROTONOSUPPORT},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, 0}, -EPROTO},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, MIGRATE_TYPES}, -EPROTO},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, 1, 0, 1, 0x10}, -EPROTO},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff},
		 -EPROTO},
		{{'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, 1, 0, 0, 0x10}, 0},
	};
	struct migrate_message m = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct err e = {0};

		assert_int_equal(migrate_parse_head(heads[i].head, &m, &e), heads[i].rc);
		assert_int_equal(heads[i].rc != 0, err_msg(&e)[0] != '\0' && e.code != 0);
	}
	m.bytes = 7; /* half a field */
	assert_int_equal(migrate_parse_body(&m, NULL), -EPROTO);
	m.bytes = 8; /* field 0 */
	assert_int_equal(migrate_parse_body(&m, NULL), -EPROTO);
	m.body[0] = PROTO_NAME;
	m.body[4] = 1; /* of a byte that is not there */
	assert_int_equal(migrate_parse_body(&m, NULL), -EPROTO);
	m.bytes = 9;
	assert_int_equal(migrate_parse_body(&m, NULL), 0);
}

/* Whatever bytes come: an answer, and no more read than was said. */
static void any_bytes_have_an_answer(void **state)
{
	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		struct migrate_message m = {0};
		uint8_t head[MIGRATE_HEAD] = {'c', 'h', 'a', 'o', 's', 'M', 'I', 'G', 1, 0, 1};
		struct err e;

		head[random() % MIGRATE_HEAD] = (uint8_t)random();
		head[12] = (uint8_t)(random() % 64);
		for (int at = 0; at < 64; at++)
			m.body[at] = (uint8_t)(random() % 3 ? 0 : random());
		if (migrate_parse_head(head, &m, &e) == 0)
			(void)migrate_parse_body(&m, &e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, open_pipe, close_pipe)
		T(what_is_sent_is_received),	       T(a_refusal_is_an_error_fit_for_a_terminal),
		T(silence_and_ends_are_told_apart),    T(nobody_reads),
		cmocka_unit_test(nonsense_is_refused), cmocka_unit_test(any_bytes_have_an_answer),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
