/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal written anew in slices, while everything changes: what comes back is what was there.
 */
#include "store/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store/store_help.h"
#include "tests/unit/unit.h"

#define DOMAINS 8u
#define LINES	30000u

static const struct store_conn_ops ops;
static struct store_conn *conn[DOMAINS];
static uint32_t seed;

static uint32_t any(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

/* --- what is there --- */

static char *line[LINES];
static uint32_t lines;

static void note(const char *text)
{
	assert_true(lines < LINES);
	line[lines++] = strdup(text);
}

static void note_node(const struct store_node *n)
{
	char at[STORE_PATH_MAX];
	char text[STORE_PATH_MAX + 300];
	int len;

	(void)store_node_path(n, at);
	len = snprintf(text, sizeof(text), "%s=%.100s", at, n->value ? n->value : "");
	for (uint32_t i = 0; i < n->perms->n; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, " %u:%u",
				n->perms->perm[i].access, n->perms->perm[i].domid);
	note(text);
}

static void note_conn(const struct store_conn *c)
{
	const struct store_watch *w = NULL;
	char at[STORE_PATH_MAX];
	char text[STORE_PATH_MAX + 300];

	(void)snprintf(text, sizeof(text), "conn %u in %u+%u out %u+%u", c->domid, c->in_pos,
		       c->in_len, c->out_pos, c->out_len);
	note(text);
	for (const struct store_tx *t = c->txs; t; t = t->hh.next) {
		(void)snprintf(text, sizeof(text), "tx %u:%u", c->domid, t->id);
		note(text);
	}
	DL_FOREACH2(c->watches, w, conn_next)
	{
		(void)store_node_path(w->at, at);
		(void)snprintf(text, sizeof(text), "watch %u %s %s %d", c->domid, at, w->token,
			       w->relative);
		note(text);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *all(void)
{
	const struct store_conn *c = NULL;
	size_t len = 1;
	char *text;

	lines = 0;
	for (struct store_node *n = s->root; n; n = store_walk(s->root, n))
		if (n->perms)
			note_node(n);
	DL_FOREACH(s->conns, c)
	if (c->lasting)
		note_conn(c);
	qsort(line, lines, sizeof(*line), by_text);
	for (uint32_t i = 0; i < lines; i++)
		len += strlen(line[i]) + 1;
	text = calloc(1, len);
	assert_non_null(text);
	for (uint32_t i = 0, at = 0; i < lines; i++) {
		at += (uint32_t)snprintf(text + at, len - at, "%s\n", line[i]);
		free(line[i]);
	}
	return text;
}

/* --- changes --- */

static void connect_all(void)
{
	for (uint32_t d = 1; d < DOMAINS; d++)
		if (!conn[d])
			assert_int_equal(store_conn_new(s, d, true, &ops, NULL, &conn[d], NULL), 0);
}

static void say(struct store_conn *c, uint32_t type, uint32_t tx, const void *data, uint32_t len)
{
	struct xsd_sockmsg h = {type, 1, tx, len};
	char whole[512];

	memcpy(whole, &h, sizeof(h));
	memcpy(whole + sizeof(h), data, len);
	(void)store_conn_input(c, whole, any(40) ? len + STORE_HEADER : 0);
}

static void guest_does(uint32_t d)
{
	struct store_conn *c = conn[d];
	const uint8_t *out;
	char text[128];
	int n = snprintf(text, sizeof(text), "data/%u/%u", any(5), any(9));

	n += snprintf(text + n + 1, sizeof(text) - (size_t)n - 1, "%u", any(1000)) + 1;
	switch (any(8)) {
	case 0:
		say(c, XS_WATCH, 0, text, (uint32_t)n + 1);
		break;
	case 1:
		say(c, XS_UNWATCH, 0, text, (uint32_t)n + 1);
		break;
	case 2:
		say(c, any(30) ? XS_TRANSACTION_START : XS_RESET_WATCHES, 0, "", 1);
		break;
	case 3:
		if (c->txs)
			say(c, XS_TRANSACTION_END, c->txs->id, "T", 2);
		break;
	case 4:
		say(c, XS_RM, 0, text, (uint32_t)strlen(text) + 1);
		break;
	default:
		say(c, XS_WRITE, c->txs && any(2) ? c->txs->id : 0, text, (uint32_t)n);
		break;
	}
	store_conn_sent(c, any(store_conn_output(c, &out) + 1));
}

static void host_does(void)
{
	struct store_perm perm[] = {{any(DOMAINS), STORE_NONE}, {any(DOMAINS), STORE_READ}};
	uint32_t d = 1 + any(DOMAINS - 1);
	char at[128];

	(void)snprintf(at, sizeof(at), "/local/domain/%u/data/%u/%u", d, any(5), any(9));
	if (any(3) == 0)
		(void)snprintf(at, sizeof(at), "/local/domain/0/backend/vif/%u/%u/n%u", d, any(2),
			       any(300));
	if (any(4) == 0)
		*strrchr(at, '/') = '\0';
	switch (any(100) ? any(6) : 100u) {
	case 0:
		(void)store_rm(s, at);
		break;
	case 1:
		(void)store_set_perms(s, at, perm, 2);
		break;
	case 100:
		store_forget_domain(s, d);
		conn[d] = NULL;
		(void)snprintf(at, sizeof(at), "/local/domain/%u", d);
		assert_int_equal(store_mkdir(s, at), 0);
		perm[0].domid = d;
		assert_int_equal(store_set_perms(s, at, perm, 1), 0);
		if (any(2))
			connect_all();
		break;
	default:
		assert_int_equal(store_putf(s, at, "value %u", any(1000)), 0);
		break;
	}
}

/* What the walk is at goes, or what that is in, or a connection. */
static void the_walk_stumbles(void)
{
	struct store_journal *j = s->journal;
	const struct store_node *n = j->at;
	char at[STORE_PATH_MAX];

	for (uint32_t up = any(3); n && n->parent && up; up--)
		n = n->parent;
	if (n && store_node_path(n, at) > 20)
		(void)store_rm(s, at);
	if (j->conn && any(3) == 0) {
		uint32_t d = j->conn->domid;

		store_forget_domain(s, d);
		conn[d] = NULL;
	}
	if (any(10) == 0)
		connect_all();
}

static void begin(void)
{
	memset(conn, 0, sizeof(conn));
	assert_int_equal(store_open(journal, NULL, &s, NULL), 0);
	connect_all();
}

static void again(void)
{
	char *before = all();
	char *after;

	store_close(s);
	assert_int_equal(store_open(journal, NULL, &s, NULL), 0);
	after = all();
	assert_string_equal(before, after);
	free(before);
	free(after);
	memset(conn, 0, sizeof(conn));
	connect_all();
}

static void what_comes_back_is_what_was_there(void **state)
{
	uint32_t finished = 0;

	(void)state;
	for (seed = 1; seed < 40; finished++) {
		uint32_t kept = seed;
		uint32_t round = s->journal->round;
		ino_t ino;
		struct stat st;

		for (uint32_t i = 0; i < 2000; i++)
			host_does();
		while (s->journal->next.map)
			host_does();
		assert_int_equal(stat(journal, &st), 0);
		ino = st.st_ino;
		assert_int_equal(store_renew_begin(s), 0);
		assert_true(s->journal->round > round);
		s->journal->slice = 1 + any(400);
		while (s->journal->next.map) {
			uint32_t d = 1 + any(DOMAINS - 1);

			host_does();
			if (conn[d] && any(2))
				guest_does(d);
			if (any(20) == 0)
				the_walk_stumbles();
		}
		for (uint32_t i = any(20); i; i--)
			host_does();
		assert_int_equal(stat(journal, &st), 0);
		assert_true(st.st_ino != ino);
		again();
		seed = kept + 1;
	}
	assert_int_equal(finished, 39);
}

/* Bytes that one commit writes into the new file; the walk stops in the middle, and is given up. */
static void a_slice_is_small(void **state)
{
	struct stat st;
	char at[80];
	uint32_t slices = 0;
	uint64_t last;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		(void)snprintf(at, sizeof(at), "/many/%u/%u", i / 100, i);
		assert_int_equal(store_putf(s, at, "%060u", i), 0);
	}
	while (s->journal->next.map)
		assert_int_equal(store_putf(s, "/x", "1"), 0);
	assert_int_equal(store_renew_begin(s), 0);
	last = s->journal->next.end;
	while (s->journal->next.map) {
		assert_int_equal(store_putf(s, "/x", "1"), 0);
		assert_true(!s->journal->next.map || s->journal->next.end <= last + 9000);
		last = s->journal->next.end;
		slices++;
	}
	assert_in_range(slices, 100, 1000);
	again();
	assert_int_equal(store_renew_begin(s), 0);
	assert_int_equal(store_putf(s, "/x", "2"), 0);
	assert_non_null(s->journal->next.map);
	again(); /* it ends in the middle */
	(void)snprintf(at, sizeof(at), "%s.new", journal);
	assert_int_equal(stat(at, &st), 0); /* room for the next renewal */
	assert_true((uint64_t)st.st_size >= s->live);
}

static int setup(void **state)
{
	(void)state;
	(void)unlink(journal);
	begin();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_comes_back_is_what_was_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_slice_is_small, setup, teardown),
	};

	return cmocka_run_group_tests(tests, journal_folder, journal_folder_gone);
}
