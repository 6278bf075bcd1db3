/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the store that says what it hears as text. */
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static void on_wake(struct store_conn *c, void *arg)
{
	struct client *cl = arg;

	(void)c;
	cl->woken++;
}

void client_open(struct client *cl, struct store *at, uint32_t domid, bool lasting)
{
	static const struct store_conn_ops ops = {on_wake};

	memset(cl, 0, sizeof(*cl));
	assert_int_equal(store_conn_new(at, domid, lasting, &ops, cl, &cl->c, NULL), 0);
}

uint32_t message(void *to, uint32_t type, uint32_t req, uint32_t tx, const char *payload)
{
	uint32_t len = (uint32_t)strlen(payload);
	struct xsd_sockmsg h = {type, req, tx, len};
	char *at = (char *)to + sizeof(h);

	memcpy(to, &h, sizeof(h));
	memcpy(at, payload, len);
	for (uint32_t i = 0; i < len; i++)
		if (at[i] == '|')
			at[i] = '\0';
	return len + (uint32_t)sizeof(h);
}

static void show(char *to, const uint8_t *data, uint32_t len, char nul)
{
	char *at = to + strlen(to);

	for (uint32_t i = 0; i < len; i++)
		*at++ = data[i] ? (char)data[i] : nul;
	*at = '\0';
}

static void take_all(struct client *cl)
{
	const uint8_t *data;
	uint32_t n;

	while ((n = store_conn_output(cl->c, &data)) > 0) {
		struct xsd_sockmsg h;

		assert_true(n >= sizeof(h));
		memcpy(&h, data, sizeof(h));
		assert_true(n >= sizeof(h) + h.len);
		if (h.type == XS_WATCH_EVENT) {
			show(cl->events, data + sizeof(h), h.len - 1, ' ');
			show(cl->events, (const uint8_t *)";", 1, ' ');
		} else {
			assert_int_equal(h.req_id, cl->req);
			(void)snprintf(cl->answer, sizeof(cl->answer), "%s",
				       h.type == XS_ERROR ? "!" : "");
			show(cl->answer, data + sizeof(h), h.len, '|');
		}
		store_conn_sent(cl->c, (uint32_t)sizeof(h) + h.len);
	}
}

const char *ask(struct client *cl, uint32_t type, uint32_t tx, const char *payload)
{
	char whole[STORE_PAYLOAD_MAX + sizeof(struct xsd_sockmsg)];
	uint32_t len;

	assert_true(strlen(payload) <= STORE_PAYLOAD_MAX);
	len = message(whole, type, ++cl->req, tx, payload);
	(void)snprintf(cl->answer, sizeof(cl->answer), "nothing");
	assert_int_equal(store_conn_input(cl->c, whole, len), (int)len);
	take_all(cl);
	return cl->answer;
}

const char *events(struct client *cl)
{
	static char seen[sizeof(cl->events)];

	take_all(cl);
	memcpy(seen, cl->events, sizeof(seen));
	*cl->events = '\0';
	return seen;
}

struct store *s;
struct client dom0, g7, g8;

static void make_guest_tree(uint32_t domid)
{
	struct store_perm top[] = {{0, STORE_NONE}, {domid, STORE_READ}};
	struct store_perm own = {domid, STORE_NONE};
	char path[64];

	(void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
	assert_int_equal(store_mkdir(s, path), 0);
	assert_int_equal(store_set_perms(s, path, top, 2), 0);
	(void)snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
	assert_int_equal(store_mkdir(s, path), 0);
	assert_int_equal(store_set_perms(s, path, &own, 1), 0);
	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	assert_int_equal(store_putf(s, path, "guest-%u", domid), 0);
}

int store_setup(void **state)
{
	(void)state;
	assert_int_equal(store_open(NULL, NULL, &s, NULL), 0);
	make_guest_tree(7);
	make_guest_tree(8);
	client_open(&dom0, s, 0, false);
	client_open(&g7, s, 7, true);
	client_open(&g8, s, 8, true);
	return 0;
}

int store_teardown(void **state)
{
	struct store_numbers n;

	(void)state;
	store_conn_close(dom0.c);
	store_forget_domain(s, 7);
	store_forget_domain(s, 8);
	assert_int_equal(store_domain_numbers(s, 7, &n), -ENOENT);
	assert_int_equal(store_domain_numbers(s, 8, &n), -ENOENT);
	store_numbers(s, &n);
	assert_int_equal(n.watches, 0);
	assert_int_equal(n.conns, 0);
	store_close(s);
	return 0;
}

uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

char journal[64];
char journal_new[80];
static char folder[] = "/tmp/store-XXXXXX";

int journal_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(journal, sizeof(journal), "%s/journal", folder);
	(void)snprintf(journal_new, sizeof(journal_new), "%s.new", journal);
	return 0;
}

int journal_folder_gone(void **state)
{
	(void)state;
	(void)unlink(journal);
	(void)unlink(journal_new);
	(void)rmdir(folder);
	return 0;
}
