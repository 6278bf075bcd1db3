/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the store that says what it hears as text. */
#ifndef CHAOS_UNIT_STORE_HELP_H
#define CHAOS_UNIT_STORE_HELP_H

#include "store/store.h"

#include <string.h>

#include <xenctrl.h>
#include <xen/io/xs_wire.h>

struct client {
	struct store_conn *c;
	uint32_t req;
	char answer[3 * STORE_PAYLOAD_MAX];
	char events[3 * STORE_PAYLOAD_MAX]; /* "path token;" each */
	int woken;
};

void client_open(struct client *cl, struct store *at, uint32_t domid, bool lasting);
/* Sends one request and takes everything that comes. The answer's payload with '|' for NUL, "!" in
 * front of an error. `payload` likewise. */
const char *ask(struct client *cl, uint32_t type, uint32_t tx, const char *payload);
/* Takes what waits, and returns the events since the last call. */
const char *events(struct client *cl);
/* A whole message with '|' for NUL; its length. */
uint32_t message(void *to, uint32_t type, uint32_t req, uint32_t tx, const char *payload);

/* A store with dom0 on a socket, and two guests on their rings, as every test finds it. */
extern struct store *s;
extern struct client dom0, g7, g8;
int store_setup(void **state);
int store_teardown(void **state);

/* The journal of a store, in a folder of its own: for cmocka_run_group_tests(). */
extern char journal[64];
extern char journal_new[80]; /* while it is renewed */
int journal_folder(void **state);
int journal_folder_gone(void **state);

/* The number at the front. */
uint32_t number(const char *text);

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)
#define READ(cl, p)   ask(cl, XS_READ, 0, p "|")
#define WRITE(cl, pv) ask(cl, XS_WRITE, 0, pv)

#endif
