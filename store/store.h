/* SPDX-License-Identifier: BSD-3-Clause */
/* The store: XenStore's tree, watches and wire protocol for the guests of this host and for dom0.
 */
#ifndef CHAOS_NOXS_STORE_H
#define CHAOS_NOXS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * One tree, addressed like XenStore's ("/local/domain/7/device/vif/0/state"). Children are hashed
 * and watches hang at their paths, so that nothing costs more when there are more domains. Two
 * kinds of callers:
 *
 *  - the daemon: store_put() and friends; no permissions, no transaction, no quota. It hears of
 *    changes by hooks.
 *  - connections: a guest's ring, dom0's kernel, a client of the socket. They speak the protocol
 *    of Xen public/io/xs_wire.h; their bytes go in by store_conn_input() and come out by
 *    store_conn_output(). They are hostile unless domid 0.
 *
 * With a journal the tree, the watches of lasting connections and their place in the byte streams
 * survive the process, however it ends: a guest that waits for an answer gets it, once.
 */
struct store;
struct store_conn;

#define STORE_PATH_MAX	  3072u /* bytes with NUL: XENSTORE_ABS_PATH_MAX */
#define STORE_PAYLOAD_MAX 4096u /* XENSTORE_PAYLOAD_MAX */
#define STORE_NO_DOMAIN	  UINT32_MAX

/* What one domain may hold or ask for; 0 = the default in brackets. */
struct store_quota {
	uint32_t nodes;	       /* it owns [1000] */
	uint32_t watches;      /* [128] */
	uint32_t transactions; /* open at once [10] */
	uint32_t value_bytes;  /* of one node [2048] */
	uint32_t perms;	       /* entries of one node [5] */
	uint64_t bytes;	       /* of names and values of nodes it owns, and its watches [256 KiB] */
	uint64_t memory;       /* of all that it makes the store keep, in this process and twice in
				  the journal [1280 KiB]. Output that waits is charged, but never
				  refused: with it a guest holds less than 2 MiB */
	uint32_t queue_bytes;  /* of output it has not taken; further input waits, further watch
				  events are merged, then dropped [64 KiB] */
};

/* `journal`: path of a file that is made when it is not there, or NULL for none. What it holds is
 * replayed. -EBADMSG when it is not what we write: it is put aside (".bad" behind its name), and
 * *out is an empty store that works; after any other error *out is NULL. */
int store_open(const char *journal, const struct store_quota *quota, struct store **out,
	       struct err *e);
void store_close(struct store *s); /* connections must be gone, or are ended; NULL is fine */

/* --- the daemon's own access
 * ---------------------------------------------------------------------------------------------- */

enum store_access { STORE_NONE = 0, STORE_READ = 1, STORE_WRITE = 2, STORE_BOTH = 3 };

/* As in XenStore: the first one is the owner and what others may; the rest are single domains. */
struct store_perm {
	uint32_t domid;
	enum store_access access;
};

/* Writes a node, makes its parents (permissions from above), fires watches. -ENOMEM, -EINVAL for
 * a path that is none. */
int store_put(struct store *s, const char *path, const void *data, uint32_t len);
int store_putf(struct store *s, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Like store_put(), silently: no watch fires. For trees that no client can know yet. */
int store_putf_quiet(struct store *s, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int store_mkdir(struct store *s, const char *path);
/* With everything below it; -ENOENT. */
int store_rm(struct store *s, const char *path);
/* Of this node alone; children that are made later take them over. n >= 1. */
int store_set_perms(struct store *s, const char *path, const struct store_perm *perms, uint32_t n);
/* The value, NUL-terminated behind its `len` bytes (may hold NULs), until the next change. NULL:
 * there is no such node. `len` may be NULL. */
const char *store_get(struct store *s, const char *path, uint32_t *len);
/* The value as a decimal number, the whole of it; -ENOENT, -EINVAL. What guests wrote is no more
 * than this. */
int store_get_u32(struct store *s, const char *path, uint32_t *out);
/* Names of the children, in order of their names. */
int store_children(struct store *s, const char *path, void (*fn)(const char *name, void *arg),
		   void *arg);
/* Fires the watches at and above a path as if it had been written. */
void store_fire(struct store *s, const char *path);

/* A change at or below `path`, by any writer (`by`: the connection's domid, STORE_NO_DOMAIN for the
 * daemon itself), seen after it is done and, in a transaction, when it is committed. May change the
 * tree; may not remove other hooks than its own. Embedded in the owner's own struct. */
struct store_hook {
	void (*fn)(struct store_hook *h, const char *path, bool removed, uint32_t by);
	struct store_hook *next; /* the store's, like what follows */
	struct store_node *at;
};
int store_hook(struct store *s, struct store_hook *h, const char *path);
void store_unhook(struct store *s, struct store_hook *h); /* one that is not hooked is fine */

/* Called when a connection asks for something below /local/domain/<domid> and there is no such
 * node (STORE_NO_DOMAIN: it lists /local/domain): the daemon may make it now, quietly. */
void store_on_missing(struct store *s, void (*fn)(void *arg, uint32_t domid), void *arg);

/* The end of a domain: its tree, /libxl/ID, its device nodes under /local/domain/0/backend, its
 * connection, its watches and what it owns are gone; watches of others fire. */
void store_forget_domain(struct store *s, uint32_t domid);

/* Fires "@introduceDomain" or "@releaseDomain". */
void store_fire_special(struct store *s, const char *path);

/* --- connections
 * ---------------------------------------------------------------------------------------------- */

struct store_conn_ops {
	/* There is output, or room for input again. May be called from inside any call above. */
	void (*wake)(struct store_conn *c, void *arg);
};

/*
 * A connection for `domid`. `lasting`: it is that domain's ring; journaled, at most one a domain,
 * and what a replay brought back of it (watches, half a message, answers that were not taken) is
 * taken over. Others (sockets) end with the process. domid 0 may do everything.
 */
int store_conn_new(struct store *s, uint32_t domid, bool lasting, const struct store_conn_ops *ops,
		   void *arg, struct store_conn **out, struct err *e);
/* The transport ends; watches and transactions of one that does not last go with it. A lasting one
 * stays in the store until store_forget_domain(). NULL is fine. */
void store_conn_close(struct store_conn *c);

/* Takes bytes of any length; whole messages are answered at once. Returns how many were taken
 * (fewer than len when too much output waits: offer the rest again after wake()), or -EPROTO once a
 * header is impossible: the connection is over then, and its owner should say so and end it. */
int store_conn_input(struct store_conn *c, const void *data, uint32_t len);
/* The next bytes to send; valid until the next call into the store. Returns their number. */
uint32_t store_conn_output(struct store_conn *c, const uint8_t **data);
/* So many of them were sent. */
void store_conn_sent(struct store_conn *c, uint32_t n);

/*
 * A full folder loses nothing. Room for the journal is allocated ahead. While that is not possible
 * (TIGHT) guests that hold much may not grow, then none; with no room for a change (NONE) nothing
 * is taken from connections or sent to them until there is: the file is valid, and says what they
 * know.
 */
enum store_room { STORE_ROOM_FINE, STORE_ROOM_TIGHT, STORE_ROOM_NONE };
enum store_room store_room(const struct store *s);
/* Tries again to allocate; in NONE to write the journal anew, and wakes all connections then. To be
 * called from time to time while there is not enough. */
enum store_room store_retry(struct store *s);

/* For people and tests. */
struct store_numbers {
	uint64_t nodes, watches, requests, events;
	uint64_t bytes;	 /* of the journal (0: there is none, or it could not grow); of one domain:
			    that count for its quota */
	uint64_t memory; /* of one domain: all that is kept because of it */
	uint32_t conns, transactions;
};
void store_numbers(const struct store *s, struct store_numbers *out);
int store_domain_numbers(const struct store *s, uint32_t domid, struct store_numbers *out);

/* --- the ring of a guest, or of dom0's kernel
 * ------------------------------------------------------------------------------
 */

/*
 * A connection over a page that the other side can write (struct xenstore_domain_interface of Xen
 * public/io/xs_wire.h). Our own indices are kept here; an impossible one of theirs ends the
 * connection (`broken`). Feature bits: none is offered.
 */
struct store_ring {
	struct store_conn *conn;
	volatile void *page;
	uint32_t req_cons, rsp_prod; /* ours */
	bool broken;
	bool polling;
	bool untold;			      /* the page does not have req_cons yet */
	void (*notify)(struct store_ring *r); /* the other side's turn; set by the owner */
	/* There is something to move: poll soon. Inside any call into the store; may poll. */
	void (*wake)(struct store_ring *r);
	void *arg; /* the owner's */
};
/* `page` stays mapped until store_ring_close(). adopt: take our indices up where the journal (or
 * the page) has them; else from the page as it is. */
int store_ring_open(struct store *s, uint32_t domid, volatile void *page, bool adopt,
		    struct store_ring *r, struct err *e);
/* After an event, and after wake(): moves what can be moved, at most `budget` messages, then
 * notifies at most once. 1: more is waiting; 0: not; -EPROTO once when the guest broke the ring or
 * the protocol. */
int store_ring_poll(struct store_ring *r, uint32_t budget);
/* The other side has written something since. */
bool store_ring_waiting(const struct store_ring *r);
void store_ring_close(struct store_ring *r); /* one that is not open is fine */

#endif
