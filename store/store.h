/* SPDX-License-Identifier: BSD-3-Clause */
/* The store: XenStore's tree, watches and wire protocol for the guests of this host and for dom0.
 */
#ifndef CHAOS_NOXS_STORE_H
#define CHAOS_NOXS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/*
 * One tree with XenStore's paths ("/local/domain/7/device/vif/0/state"). Children are found by a
 * hash table, and watches are stored at their paths, so that no operation takes longer with more
 * domains. There are two kinds of callers:
 *
 * - the daemon, by store_put() and so on: no permissions, no transaction, no quota. Hooks notify
 * it of changes.
 *
 * - connections: the ring of a guest, dom0's kernel, a client of the socket. They use the
 * protocol of Xen public/io/xs_wire.h; store_conn_input() takes their bytes, store_conn_output()
 * returns the answers. Those that are not domid 0 are treated as hostile.
 *
 * With a journal the tree, the watches of lasting connections and their positions in the byte
 * streams are kept over the end of the process, even a kill: a guest that waits for an answer
 * gets it exactly once.
 */
struct store;
struct store_conn;

#define STORE_PATH_MAX	  3072u /* bytes with NUL: XENSTORE_ABS_PATH_MAX */
#define STORE_PAYLOAD_MAX 4096u /* XENSTORE_PAYLOAD_MAX */
#define STORE_NO_DOMAIN	  UINT32_MAX

/* Limits of one domain; 0 means the default in brackets. */
struct store_quota {
	uint32_t nodes;	       /* that it owns [1000] */
	uint32_t watches;      /* [128] */
	uint32_t transactions; /* open at once [10] */
	uint32_t value_bytes;  /* of the value of one node [2048] */
	uint32_t perms;	       /* entries in the permissions of one node [5] */
	uint64_t bytes;	 /* names and values of nodes that it owns, and its watches [256 KiB] */
	uint64_t memory; /* all memory that the store uses because of it, in this process and twice
			    in the journal [1280 KiB]. Unsent output is charged, but never refused:
			    with it a guest uses less than 2 MiB */
	uint32_t queue_bytes; /* unsent output; beyond it no input is read, and watch events are
				 merged, then dropped [64 KiB] */
};

/* `journal`: path of a file, which is made if it does not exist, or NULL for none. Its records
 * are replayed. -EBADMSG if it is damaged: it is renamed (".bad" is added), and *out is an empty
 * store that can be used. After any other error *out is NULL. */
int store_open(const char *journal, const struct store_quota *quota, struct store **out,
	       struct err *e);
void store_close(struct store *s); /* ends connections that still exist; NULL is allowed */

/* --- the daemon's own access
 * ---------------------------------------------------------------------------------------------- */

enum store_access { STORE_NONE = 0, STORE_READ = 1, STORE_WRITE = 2, STORE_BOTH = 3 };

/* As in XenStore: the first entry has the owner and the rights of all others; each further entry
 * is for one domain. */
struct store_perm {
	uint32_t domid;
	enum store_access access;
};

/* Writes a node, makes missing parents (with the permissions of the node above), fires watches.
 * -ENOMEM; -EINVAL: not a valid path. */
int store_put(struct store *s, const char *path, const void *data, uint32_t len);
int store_putf(struct store *s, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Like store_put(), but no watch fires. For trees that no client can know yet. */
int store_putf_quiet(struct store *s, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int store_mkdir(struct store *s, const char *path);
/* Removes a node with everything below it; -ENOENT. */
int store_rm(struct store *s, const char *path);
/* Sets the permissions of this node; children that are made later inherit them. n >= 1. */
int store_set_perms(struct store *s, const char *path, const struct store_perm *perms, uint32_t n);
/* The value, followed by a NUL after its `len` bytes (which may include NULs); valid until the
 * next change. NULL: there is no such node. `len` may be NULL. */
const char *store_get(struct store *s, const char *path, uint32_t *len);
/* The value as a decimal number; the whole value must be one. -ENOENT, -EINVAL. Guests may have
 * written the value. */
int store_get_u32(struct store *s, const char *path, uint32_t *out);
/* Names of the children, in order of their names. */
int store_children(struct store *s, const char *path, void (*fn)(const char *name, void *arg),
		   void *arg);
/* Fires the watches at and above a path, as if it had been written. */
void store_fire(struct store *s, const char *path);

/* Called after a change at or below `path` by any writer (`by`: domid of the connection,
 * STORE_NO_DOMAIN for the daemon); for a transaction, when it is committed. It may change the
 * tree; it must not remove other hooks. Embedded in a struct of the user. */
struct store_hook {
	void (*fn)(struct store_hook *h, const char *path, bool removed, uint32_t by);
	struct store_hook *next; /* used by the store, like the members below */
	struct store_node *at;
};
int store_hook(struct store *s, struct store_hook *h, const char *path);
void store_unhook(struct store *s, struct store_hook *h); /* no effect if it is not hooked */

/* Sets a function that is called when a connection accesses a missing node below
 * /local/domain/<domid> (STORE_NO_DOMAIN: it lists /local/domain). The function may make the
 * node, without firing watches. */
void store_on_missing(struct store *s, void (*fn)(void *arg, uint32_t domid), void *arg);

/* Removes everything of a domain that has ended: its tree, /libxl/ID, its device nodes under
 * /local/domain/0/backend, its connection, its watches and the nodes that it owns; watches of
 * others fire. */
void store_forget_domain(struct store *s, uint32_t domid);

/* Fires "@introduceDomain" or "@releaseDomain". */
void store_fire_special(struct store *s, const char *path);

/* --- connections
 * ---------------------------------------------------------------------------------------------- */

struct store_conn_ops {
	/* There is output, or room for input again. May be called during any function above. */
	void (*wake)(struct store_conn *c, void *arg);
};

/* Makes a connection for `domid`. `lasting`: it is the ring of that domain, at most one for each
 * domain; it is in the journal, and what a replay has restored of it (watches, an incomplete
 * message, unsent answers) is used. Other connections (sockets) end with the process. domid 0
 * has all rights. */
int store_conn_new(struct store *s, uint32_t domid, bool lasting, const struct store_conn_ops *ops,
		   void *arg, struct store_conn **out, struct err *e);
/* Ends the connection. Watches and transactions are removed, except those of a lasting
 * connection, which stay until store_forget_domain(). NULL is allowed. */
void store_conn_close(struct store_conn *c);

/* Takes bytes in pieces of any length; complete messages are answered at once. Returns the
 * number of bytes taken: fewer than len if too much output is unsent (offer the rest again after
 * wake()). -EPROTO after an impossible header: the connection has ended, and its user should log
 * that and close it. */
int store_conn_input(struct store_conn *c, const void *data, uint32_t len);
/* The next bytes to send, valid until the next call of the store. Returns their number. */
uint32_t store_conn_output(struct store_conn *c, const uint8_t **data);
/* Reports that n of them were sent. */
void store_conn_sent(struct store_conn *c, uint32_t n);

/* Nothing is lost if the folder is full. Space for the journal is allocated in advance. If that
 * is not possible (TIGHT), first guests that use much cannot add anything, then no guest can. If
 * there is no room for a change (NONE), nothing is read from connections or sent to them until
 * there is: the file is valid, and has everything that was sent to them. */
enum store_room { STORE_ROOM_FINE, STORE_ROOM_TIGHT, STORE_ROOM_NONE };
enum store_room store_room(const struct store *s);
/* Tries again to allocate space; in NONE also to write the journal again, and then wakes all
 * connections. Call it from time to time while the state is not FINE. */
enum store_room store_retry(struct store *s);

/* For output and tests. */
struct store_numbers {
	uint64_t nodes, watches, requests, events;
	uint64_t bytes;	 /* of the journal (0: there is none, or it could not grow); for one domain:
			    bytes that count for its quota */
	uint64_t memory; /* for one domain: all memory used because of it */
	uint32_t conns, transactions;
};
void store_numbers(const struct store *s, struct store_numbers *out);
int store_domain_numbers(const struct store *s, uint32_t domid, struct store_numbers *out);

/* --- the ring of a guest, or of dom0's kernel
 * ------------------------------------------------------------------------------
 */

/* A connection over a page that the other side can write (struct xenstore_domain_interface of
 * Xen public/io/xs_wire.h). Our own indices are kept here; an impossible index of the other side
 * ends the connection (`broken`). No feature bits are offered. */
struct store_ring {
	struct store_conn *conn;
	volatile void *page;
	uint32_t req_cons, rsp_prod; /* ours */
	bool broken;
	bool polling;
	bool untold; /* req_cons was not written into the page yet */
	void (*notify)(
		struct store_ring *r); /* sends an event to the other side; set by the user */
	/* There is work: call store_ring_poll() soon. May be called during any function of the
	 * store; it may poll. */
	void (*wake)(struct store_ring *r);
	void *arg; /* for the user */
};
/* `page` must stay mapped until store_ring_close(). adopt: our indices are taken from the
 * journal (or the page); otherwise the page is used as it is. */
int store_ring_open(struct store *s, uint32_t domid, volatile void *page, bool adopt,
		    struct store_ring *r, struct err *e);
/* Call it after an event, and after wake(): handles at most `budget` messages, then sends at
 * most one event. 1: there is more; 0: there is not; -EPROTO once, if the guest broke the ring
 * or the protocol. */
int store_ring_poll(struct store_ring *r, uint32_t budget);
/* Whether the other side has written something since. */
bool store_ring_waiting(const struct store_ring *r);
void store_ring_close(struct store_ring *r); /* no effect if it is not open */

#endif
