/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings, and what a journal brings back of them: each answer comes once. */
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define RING XENSTORE_RING_SIZE

static struct store *last;
static struct xenstore_domain_interface page;
static struct store_ring ring;
static int notified;

static void on_notify(struct store_ring *r)
{
	(void)r;
	notified++;
}

static void begin(bool adopt)
{
	memset(&ring, 0, sizeof(ring));
	ring.notify = on_notify;
	assert_int_equal(store_open(journal, NULL, &last, NULL), 0);
	assert_int_equal(store_ring_open(last, 7, &page, adopt, &ring, NULL), 0);
}

/* As if killed: no client is told anything. */
static void die(void)
{
	store_ring_close(&ring);
	store_close(last);
}

static int setup(void **state)
{
	struct store_perm own = {7, STORE_NONE};

	(void)state;
	(void)unlink(journal);
	memset(&page, 0, sizeof(page));
	page.req_prod = page.req_cons = page.rsp_prod = page.rsp_cons = UINT32_MAX - 100;
	begin(false);
	assert_int_equal(store_mkdir(last, "/local/domain/7"), 0);
	assert_int_equal(store_set_perms(last, "/local/domain/7", &own, 1), 0);
	notified = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	die();
	return 0;
}

/* --- the guest's side --- */

static void say_bytes(const void *data, uint32_t len)
{
	assert_true(page.req_prod - page.req_cons + len <= RING);
	for (uint32_t i = 0; i < len; i++)
		page.req[page.req_prod++ % RING] = ((const char *)data)[i];
}

static void say(uint32_t type, uint32_t tx, const char *payload)
{
	char whole[RING];

	say_bytes(whole, message(whole, type, 9, tx, payload));
}

/* Everything that is there, as "payload," and "path token;", taken out. */
static const char *hear(void)
{
	static char text[2 * RING];
	char *at = text;

	while (page.rsp_prod != page.rsp_cons) {
		struct xsd_sockmsg h;

		assert_true(page.rsp_prod - page.rsp_cons >= sizeof(h));
		for (uint32_t i = 0; i < sizeof(h); i++)
			((char *)&h)[i] = page.rsp[page.rsp_cons++ % RING];
		assert_true(page.rsp_prod - page.rsp_cons >= h.len);
		for (uint32_t i = 0; i < h.len; i++, at++) {
			*at = page.rsp[page.rsp_cons++ % RING];
			if (*at == '\0')
				*at = h.type == XS_WATCH_EVENT ? ' ' : '|';
		}
		*at++ = h.type == XS_WATCH_EVENT ? ';' : ',';
	}
	*at = '\0';
	return text;
}

static void poll_all(void)
{
	while (store_ring_poll(&ring, 4) == 1)
		;
}

/* --- tests --- */

static void rings_carry_much(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) { /* indices and bytes wrap */
		say(XS_WRITE, 0, "data/x|some value");
		say(XS_READ, 0, "data/x|");
		notified = 0;
		poll_all();
		assert_in_range(notified, 1, 2);
		assert_string_equal(hear(), "OK|,some value,");
	}
	notified = 0;
	assert_int_equal(store_ring_poll(&ring, 64), 0);
	assert_int_equal(notified, 0);
	/* more than fits, both ways: answers wait until there is room, and then requests go on */
	for (int i = 0; i < 20; i++)
		say(XS_READ, 0, "data/x|");
	page.rsp_cons -= RING - 60; /* almost full */
	poll_all();
	assert_int_equal(page.rsp_prod - page.rsp_cons, RING);
	page.rsp_cons += RING - 60;
	poll_all();
	assert_int_equal(strlen(hear()), 20 * strlen("some value,"));
}

static void broken_rings_end(void **state)
{
	(void)state;
	page.req_prod = page.req_cons + RING + 1;
	assert_int_equal(store_ring_poll(&ring, 64), -EPROTO);
	assert_int_equal(store_ring_poll(&ring, 64), 0); /* said once */
	die();
	page.req_prod = page.req_cons;
	begin(true);
	say(XS_READ, 0, "x|");
	page.rsp_cons = page.rsp_prod + 1;
	assert_int_equal(store_ring_poll(&ring, 64), -EPROTO);
	die();
	page.rsp_cons = page.rsp_prod;
	begin(true);
	poll_all();
	hear();
	{
		struct xsd_sockmsg h = {XS_READ, 0, 0, 5000};

		say_bytes(&h, sizeof(h));
	}
	assert_int_equal(store_ring_poll(&ring, 64), -EPROTO);
}

static void a_tree_comes_back(void **state)
{
	(void)state;
	say(XS_WRITE, 0, "data/a/b|value");
	say(XS_SET_PERMS, 0, "data/a|n7|r3|");
	say(XS_WRITE, 0, "data/gone|1");
	say(XS_RM, 0, "data/gone|");
	say(XS_WATCH, 0, "data|rel|");
	say(XS_WATCH, 0, "/local/domain/7/data/a|abs|");
	say(XS_WATCH, 0, "data|not|");
	say(XS_UNWATCH, 0, "data|not|");
	assert_int_equal(store_put(last, "/@odd/removed", "1", 1), 0);
	assert_int_equal(store_rm(last, "/@odd/removed"), 0);
	poll_all();
	hear();
	for (int i = 0; i < 2; i++) { /* from what was appended, and from what was written anew */
		die();
		begin(true);
		assert_non_null(store_get(last, "/@odd", NULL));
	}
	say(XS_READ, 0, "data/a/b|");
	say(XS_GET_PERMS, 0, "data/a|");
	say(XS_READ, 0, "data/gone|");
	poll_all();
	assert_string_equal(hear(), "value,n7|r3|,ENOENT|,");
	assert_int_equal(store_putf(last, "/local/domain/7/data/a", "2"), 0);
	poll_all();
	assert_string_equal(hear(), "/local/domain/7/data/a abs ;data/a rel ;");
}

/* The journal's last record goes: that something was sent. */
static void forget_sent(void)
{
	uint64_t end;
	int fd = open(journal, O_RDWR);

	assert_int_equal(pread(fd, &end, sizeof(end), 16), sizeof(end));
	end -= 16;
	assert_int_equal(pwrite(fd, &end, sizeof(end), 16), sizeof(end));
	(void)close(fd);
}

static void answers_come_once(void **state)
{
	struct xenstore_domain_interface before;
	uint32_t prod;

	(void)state;
	/* died after the journal had it, before anything was said */
	say(XS_WRITE, 0, "data/n|1");
	before = page;
	assert_int_equal(store_ring_poll(&ring, 1), 1);
	die();
	page = before;
	forget_sent();
	begin(true);
	poll_all();
	assert_string_equal(hear(), "OK|,");
	/* the request was taken, and so said, but the answer was not given */
	say(XS_READ, 0, "data/n|");
	prod = page.rsp_prod;
	poll_all();
	die();
	page.rsp_prod = prod;
	forget_sent();
	begin(true);
	poll_all();
	assert_string_equal(hear(), "1,");
	/* an event between two lives */
	say(XS_WATCH, 0, "data/n|t|");
	poll_all();
	hear();
	prod = page.rsp_prod;
	page.rsp_cons = prod - RING; /* no room: it waits */
	assert_int_equal(store_putf(last, "/local/domain/7/data/n", "2"), 0);
	poll_all();
	assert_int_equal(page.rsp_prod, prod);
	die();
	page.rsp_cons = prod;
	begin(true);
	poll_all();
	assert_string_equal(hear(), "data/n t ;");
	poll_all();
	assert_string_equal(hear(), "");
}

/* Sent, said so on the page, but not in the journal any more. */
static void sent_is_seen_on_the_page(void **state)
{
	(void)state;
	say(XS_WRITE, 0, "data/n|1");
	poll_all();
	die();
	forget_sent();
	begin(true);
	poll_all();
	assert_string_equal(hear(), "OK|,");
}

static void half_messages_go_on(void **state)
{
	char whole[256];
	uint32_t len = message(whole, XS_WRITE, 9, 0, "data/half|a value in two halves");

	(void)state;
	for (uint32_t cut = 0; cut <= len; cut++) {
		say_bytes(whole, cut);
		poll_all();
		die();
		begin(true);
		say_bytes(whole + cut, len - cut);
		poll_all();
		assert_string_equal(hear(), "OK|,");
	}
	say(XS_READ, 0, "data/half|");
	poll_all();
	assert_string_equal(hear(), "a value in two halves,");
}

static void transactions_are_to_be_tried_again(void **state)
{
	uint32_t id;
	char text[64];

	(void)state;
	say(XS_TRANSACTION_START, 0, "|");
	poll_all();
	id = number(hear());
	say(XS_WRITE, id, "data/t|1");
	poll_all();
	hear();
	die();
	begin(true);
	say(XS_WRITE, id, "data/u|1");
	say(XS_READ, id, "data/u|");
	say(XS_TRANSACTION_END, id, "T|");
	say(XS_READ, 0, "data/u|");
	say(XS_TRANSACTION_START, 0, "|");
	poll_all();
	(void)snprintf(text, sizeof(text), "OK|,1,EAGAIN|,ENOENT|,%u|,", id + 1);
	assert_string_equal(hear(), text);
}

static void the_journal_stays_small(void **state)
{
	struct store_numbers n;
	char text[64];
	uint64_t most = 0;

	(void)state;
	say(XS_WATCH, 0, "data|t|");
	for (int i = 0; i < 40000; i++) {
		(void)snprintf(text, sizeof(text), "data/n%d|%d", i % 100, i);
		say(XS_WRITE, 0, text);
		poll_all();
		hear();
		store_numbers(last, &n);
		most = n.bytes > most ? n.bytes : most;
	}
	assert_in_range(most, 1 << 20, 2 << 20);
	die();
	begin(true);
	say(XS_READ, 0, "data/n99|");
	poll_all();
	assert_string_equal(hear(), "39999,");
	/* what one group writes may be more than there is room for */
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "/big/n%d", i);
		assert_int_equal(store_putf(last, text, "%0100d", i), 0);
	}
	die();
	begin(true);
	assert_int_equal(number(store_get(last, "/big/n19999", NULL)), 19999);
}

static void damaged_journals_are_put_aside(void **state)
{
	static uint8_t whole[65536];
	char bad[80];
	struct err e;
	struct stat st;
	ssize_t len;
	int fd;

	(void)state;
	say(XS_WRITE, 0, "data/a/b|value");
	say(XS_WATCH, 0, "data|rel|");
	say(XS_TRANSACTION_START, 0, "|");
	poll_all();
	die();
	fd = open(journal, O_RDONLY);
	len = read(fd, whole, sizeof(whole));
	(void)close(fd);
	assert_true(len > 1000);
	(void)snprintf(bad, sizeof(bad), "%s.bad", journal);
	for (ssize_t at = 0; at < 1000; at++) { /* every byte of what it says */
		uint8_t was = whole[at];
		int rc;

		whole[at] ^= 0x55;
		fd = open(journal, O_RDWR | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, whole, (size_t)len), len);
		(void)close(fd);
		whole[at] = was;
		(void)unlink(bad);
		rc = store_open(journal, NULL, &last, &e);
		assert_true(rc == 0 || rc == -EBADMSG);
		assert_non_null(last);
		assert_int_equal(stat(bad, &st), rc == 0 ? -1 : 0);
		assert_int_equal(store_putf(last, "/works", "yes"), 0);
		store_close(last);
	}
	(void)unlink(bad);
	(void)unlink(journal);
	begin(true);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rings_carry_much),
		TEST(broken_rings_end),
		TEST(a_tree_comes_back),
		TEST(answers_come_once),
		TEST(sent_is_seen_on_the_page),
		TEST(half_messages_go_on),
		TEST(transactions_are_to_be_tried_again),
		TEST(the_journal_stays_small),
		TEST(damaged_journals_are_put_aside),
	};

	return cmocka_run_group_tests(tests, journal_folder, journal_folder_gone);
}
