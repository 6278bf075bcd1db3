/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's protocol: limits. */
#include "store/private.h"
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

static void quotas_hold(void **state)
{
	char path[64];
	char value[2200];
	const char *got = "";
	struct store_numbers n;
	int made = 0;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	memcpy(value, "data/big|", 9);
	assert_string_equal(ask(&g7, XS_WRITE, 0, value), "!ENOSPC|");
	assert_string_equal(ask(&dom0, XS_WRITE, 0, value), "OK|");
	for (made = 0; made < 2000; made++) {
		(void)snprintf(path, sizeof(path), "data/n%d|", made);
		got = ask(&g7, XS_MKDIR, 0, path);
		if (*got == '!')
			break;
	}
	assert_string_equal(got, "!ENOSPC|");
	assert_int_equal(store_domain_numbers(s, 7, &n), 0);
	assert_int_equal(n.nodes, 1000);
	assert_string_equal(WRITE(&g7, "data/n1|v"), "OK|"); /* what it has, it has */
	assert_string_equal(WRITE(&g8, "data/n1|v"), "OK|"); /* it is not the others' fault */
	for (made = 0; made < 200; made++) {
		(void)snprintf(path, sizeof(path), "data|t%d|", made);
		got = ask(&g7, XS_WATCH, 0, path);
		(void)events(&g7);
		if (*got == '!')
			break;
	}
	assert_int_equal(made, 128);
	assert_string_equal(got, "!E2BIG|");
	for (made = 0; made < 20; made++) {
		got = ask(&g7, XS_TRANSACTION_START, 0, "|");
		if (*got == '!')
			break;
	}
	assert_int_equal(made, 10);
	assert_string_equal(got, "!ENOSPC|");
	assert_string_equal(ask(&g7, XS_WRITE, 1, "data/one/more|"), "!ENOSPC|");
	for (made = 0; made < 1000; made++) { /* bytes */
		(void)snprintf(value, sizeof(value), "data/b%d|%02000d", made, made);
		got = ask(&g8, XS_WRITE, 0, value);
		if (*got == '!')
			break;
	}
	assert_string_equal(got, "!ENOMEM|");
	assert_int_equal(store_domain_numbers(s, 8, &n), 0);
	assert_in_range(n.bytes, 254 << 10, 256 << 10);
}

static const struct store_tx *tx_of(const struct client *cl, uint32_t id)
{
	const struct store_tx *t = store_tx_find(cl->c, id);

	if (!t)
		abort();
	return t;
}

static const struct tx_node *tx_node_of(const struct store_tx *t, const char *path)
{
	for (const struct tx_node *n = t->nodes; n; n = n->hh.next)
		if (strcmp(n->path, path) == 0)
			return n;
	abort();
}

/* A client that goes on after a refusal gets no more than one that stops. */
static void transactions_stay_small(void **state)
{
	char text[2200];
	const struct store_tx *t;
	const struct tx_node *top;
	struct store_numbers n;
	uint32_t names;
	uint32_t a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));

	(void)state;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "data/seen%d|", i);
		(void)ask(&g7, XS_READ, a, text);
	}
	assert_string_equal(g7.answer, "!ENOSPC|");
	t = tx_of(&g7, a);
	assert_int_equal(t->n, 1256);
	assert_int_equal(HASH_COUNT(t->nodes), 1256);
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "F|"), "OK|");

	assert_string_equal(WRITE(&g7, "data/x|1"), "OK|");
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	for (int i = 0; i < 1100; i++) { /* one more than it may own, again and again */
		(void)snprintf(text, sizeof(text), "data/n%d|", i < 1050 ? i : 1050);
		(void)ask(&g7, XS_MKDIR, a, text);
	}
	assert_string_equal(g7.answer, "!ENOSPC|");
	t = tx_of(&g7, a);
	top = tx_node_of(t, "/local/domain/7/data");
	names = top->names_len;
	for (int i = 0; i < 100; i++)
		(void)ask(&g7, XS_MKDIR, a, "data/another|");
	assert_int_equal(top->names_len, names);
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "OK|");
	assert_int_equal(store_domain_numbers(s, 7, &n), 0);
	assert_int_equal(n.nodes, 1000);
	assert_string_equal(ask(&g7, XS_READ, 0, "data/another|"), "!ENOENT|");

	for (int i = 0; i < 200; i++) { /* values of nodes that are there count as well */
		if (i % 100 == 0)
			a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
		(void)snprintf(text, sizeof(text), "data/n%d|%02000d", i, i);
		assert_string_equal(ask(&g7, XS_WRITE, a, text), "OK|");
		if (i % 100 == 99)
			(void)ask(&g7, XS_TRANSACTION_END, a, "T|");
	}
	assert_string_equal(g7.answer, "!ENOMEM|");
	assert_int_equal(store_domain_numbers(s, 7, &n), 0);
	assert_in_range(n.bytes, 200000, 256 << 10);
}

static void names_with_an_at_are_names(void **state)
{
	(void)state;
	assert_string_equal(WRITE(&dom0, "/@odd/node|1"), "OK|");
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "/@odd|t|"), "OK|");
	(void)events(&dom0);
	assert_string_equal(WRITE(&dom0, "/@odd/node|2"), "OK|");
	assert_string_equal(events(&dom0), "/@odd/node t;");
	assert_string_equal(ask(&dom0, XS_RM, 0, "/@odd|"), "OK|");
	assert_string_equal(events(&dom0), "/@odd t;");
	assert_string_equal(ask(&g7, XS_WATCH, 0, "@a//b|t|"), "!EINVAL|");
	assert_string_equal(ask(&g7, XS_WATCH, 0, "@releaseDomain|t|"), "OK|");
}

/* What all guests may watch costs a change no more when all of them do. */
static void watches_of_many_guests_cost_nothing(void **state)
{
	static struct client many[50];
	struct store_perm both[] = {{7, STORE_NONE}, {8, STORE_READ}};
	struct store_perm every = {0, STORE_READ};
	char text[32];
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < 50; i++) {
		client_open(&many[i], s, 100 + i, true);
		for (int k = 0; k < 100; k++) {
			(void)snprintf(text, sizeof(text), "/|t%d|", k);
			assert_string_equal(ask(&many[i], XS_WATCH, 0, text), "OK|");
		}
		assert_string_equal(ask(&many[i], XS_WATCH, 0, text), "!EEXIST|");
		(void)events(&many[i]);
	}
	assert_string_equal(ask(&g7, XS_WATCH, 0, "/|one|"), "OK|");
	assert_string_equal(ask(&g7, XS_WATCH, 0, "/|two|"), "OK|");
	assert_string_equal(ask(&g8, XS_WATCH, 0, "/|x|"), "OK|");
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "/|first|"), "OK|");
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "/|second|"), "OK|");
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "/|first|"), "!EEXIST|");
	(void)events(&g7);
	(void)events(&g8);
	(void)events(&dom0);
	before = s->looks;
	assert_string_equal(WRITE(&g7, "data/x|1"), "OK|");
	assert_int_equal(s->looks - before, 4);
	assert_string_equal(events(&g7), "/local/domain/7/data/x one;/local/domain/7/data/x two;");
	assert_string_equal(events(&g8), "");
	assert_string_equal(events(&dom0),
			    "/local/domain/7/data/x first;/local/domain/7/data/x second;");
	assert_int_equal(store_set_perms(s, "/local/domain/7/data/x", both, 2), 0);
	assert_string_equal(WRITE(&g7, "data/x|2"), "OK|");
	assert_string_equal(events(&g8), "/local/domain/7/data/x x;");
	assert_string_equal(events(&many[3]), "");
	/* the client that loses the right hears of that */
	assert_string_equal(ask(&g7, XS_SET_PERMS, 0, "data/x|n7|"), "OK|");
	assert_string_equal(events(&g8), "/local/domain/7/data/x x;");
	assert_string_equal(WRITE(&g7, "data/x|3"), "OK|");
	assert_string_equal(events(&g8), "");
	assert_int_equal(store_putf(s, "/all", "1"), 0);
	assert_int_equal(store_set_perms(s, "/all", &every, 1), 0);
	assert_int_equal(store_putf(s, "/all", "2"), 0);
	assert_string_equal(events(&g8), "/all x;");
	assert_int_equal(strlen(events(&many[3])), 90 * 9 + 10 * 8);
	for (uint32_t i = 0; i < 50; i++)
		store_forget_domain(s, 100 + i);
	before = s->looks;
	assert_string_equal(ask(&g7, XS_UNWATCH, 0, "/|one|"), "OK|");
	assert_string_equal(WRITE(&g7, "data/x|4"), "OK|");
	assert_int_equal(s->looks - before, 4); /* one by one again */
}

static void a_slow_reader_costs_little(void **state)
{
	char path[64];
	const uint8_t *data;
	uint32_t n;
	char whole[128];
	uint32_t len = message(whole, XS_READ, 1, 0, "name|");
	int took = 0;

	(void)state;
	assert_string_equal(ask(&g7, XS_WATCH, 0, "data|tok|"), "OK|");
	(void)events(&g7);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(store_putf(s, "/local/domain/7/data/same", "%d", i), 0);
	n = store_conn_output(g7.c, &data);
	assert_int_equal(n, 16 + sizeof("data/same") + sizeof("tok")); /* merged */
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(path, sizeof(path), "/local/domain/7/data/n%d", i);
		assert_int_equal(store_putf(s, path, "%d", i), 0);
	}
	n = store_conn_output(g7.c, &data);
	assert_in_range(n, 60 << 10, 64 << 10); /* dropped */
	/* answers wait for it, too */
	for (int i = 0; i < 1000; i++)
		took += store_conn_input(g7.c, whole, len) == (int)len;
	n = store_conn_output(g7.c, &data);
	assert_in_range(n, 64 << 10, (64 << 10) + 100);
	assert_true(took < 100);
	g7.woken = 0;
	store_conn_sent(g7.c, n);
	assert_int_equal(g7.woken, 1); /* there is room again */
	assert_int_equal(store_conn_input(g7.c, whole, len), len);
}

static void messages_come_in_pieces(void **state)
{
	char whole[256];
	uint32_t len = message(whole, XS_WRITE, 1, 0, "data/p|piece by piece");
	struct xsd_sockmsg bad = {XS_READ, 1, 0, STORE_PAYLOAD_MAX + 1};
	const uint8_t *data;

	(void)state;
	for (uint32_t i = 0; i < len; i++) {
		assert_int_equal(store_conn_output(g7.c, &data), 0);
		assert_int_equal(store_conn_input(g7.c, whole + i, 1), 1);
	}
	assert_int_equal(store_conn_output(g7.c, &data), 16 + 3);
	store_conn_sent(g7.c, 19);
	g7.req = 1;
	assert_string_equal(READ(&g7, "data/p"), "piece by piece");
	assert_int_equal(store_conn_input(g7.c, &bad, 10), 10);
	assert_int_equal(store_conn_input(g7.c, (char *)&bad + 10, 6), -EPROTO);
	assert_int_equal(store_conn_input(g7.c, whole, len), -EPROTO);
	assert_string_equal(READ(&g8, "name"), "guest-8");
}

static void long_things(void **state)
{
	char path[STORE_PAYLOAD_MAX];
	char name[64];
	struct store_perm any = {0, STORE_READ};
	uint64_t gen = 0;
	unsigned int seen = 0;
	const char *got;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	memcpy(path + STORE_PATH_MAX, "|", 2);
	assert_string_equal(ask(&dom0, XS_READ, 0, path), "!EINVAL|");
	memcpy(path + STORE_PATH_MAX - 1, "|", 2);
	assert_string_equal(ask(&dom0, XS_READ, 0, path), "!ENOENT|");
	path[0] = 'b';
	assert_string_equal(ask(&dom0, XS_READ, 0, path), "!EINVAL|");
	memcpy(path + 2047, "|", 2);
	assert_string_equal(ask(&dom0, XS_READ, 0, path), "!ENOENT|");
	for (int i = 0; i < 1530; i++)
		memcpy(path + 2 * i, "/d", 2);
	memcpy(path + 3060, "|v", 3);
	assert_string_equal(ask(&dom0, XS_WRITE, 0, path), "OK|");
	assert_string_equal(ask(&dom0, XS_RM, 0, "/d|"), "OK|");
	for (int i = 0; i < 900; i++) {
		(void)snprintf(name, sizeof(name), "/many/entry-%d", i);
		assert_int_equal(store_putf(s, name, "x"), 0);
	}
	assert_int_equal(store_set_perms(s, "/many", &any, 1), 0);
	assert_string_equal(ask(&dom0, XS_DIRECTORY, 0, "/many|"), "!E2BIG|");
	for (uint32_t at = 0;;) {
		uint32_t from = at;

		(void)snprintf(name, sizeof(name), "/many|%u|", at);
		got = ask(&g7, XS_DIRECTORY_PART, 0, name);
		assert_true(gen == 0 || gen == strtoull(got, NULL, 10));
		gen = strtoull(got, NULL, 10);
		for (got = strchr(got, '|') + 1; *got && *got != '|';) {
			size_t n = strcspn(got, "|") + 1;

			at += (uint32_t)n;
			got += n;
			seen++;
		}
		if (*got == '|')
			break;
		assert_true(at > from);
	}
	assert_int_equal(seen, 900);
	assert_int_equal(store_rm(s, "/many/entry-1"), 0);
	assert_true(strtoull(ask(&g7, XS_DIRECTORY_PART, 0, "/many|0|"), NULL, 10) > gen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(quotas_hold),
		STORE_TEST(transactions_stay_small),
		STORE_TEST(names_with_an_at_are_names),
		STORE_TEST(watches_of_many_guests_cost_nothing),
		STORE_TEST(a_slow_reader_costs_little),
		STORE_TEST(messages_come_in_pieces),
		STORE_TEST(long_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
