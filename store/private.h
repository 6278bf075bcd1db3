/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the store share. Nothing else includes it, but its tests.
 *
 * From the ground up, each calling only what stands before it: path.c, journal_file.c, perms.c,
 * quota.c, table.c, renew.c, journal.c, tree.c (nodes); output.c, watch.c, group.c (which watches
 * fire for changes); tx.c, commit.c, see.c (what a request sees and changes); wire_args.c,
 * wire_perms.c, wire.c (requests); conn.c; replay.c; store.c; forget.c, ring.c, socket.c.
 */
#ifndef CHAOS_NOXS_STORE_PRIVATE_H
#define CHAOS_NOXS_STORE_PRIVATE_H

#include "store/store.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* uthash's own hash falls through switch labels without saying so. */
#define HASH_FUNCTION(key, len, hash) (hash) = store_hash(store_hash_seed, (key), (len))
#include "base/table.h"
#include <utlist.h>

#include <xenctrl.h>
#include <xen/io/xs_wire.h>

extern uint32_t store_hash_seed; /* random: guests choose names */

static inline uint32_t store_hash(uint32_t h, const void *key, size_t len)
{
	const uint8_t *p = key;

	h ^= 2166136261u;
	while (len--)
		h = (h ^ *p++) * 16777619u;
	h ^= h >> 15;
	return h * 0x85ebca6bu;
}

/* Bytes of memory, and bytes that a renewed journal has of it: quota.c. */
struct store_cost {
	uint64_t memory, record;
};

/* --- path.c, perms.c, table.c, tree.c: nodes --- */

/* Shared by all nodes that have the same: children take their parent's. */
struct store_perms {
	uint32_t refs, n;
	struct store_perm perm[];
};

struct store_node {
	struct store_node *bucket; /* next in its chain of the hash table */
	struct store_node *parent, *first, *last, *prev, *next;
	struct store_watch *watches; /* that hang here: dom0's, then those of guests */
	struct store_hook *hooks;
	struct store_perms *perms; /* NULL: not there, a place for watches and hooks only */
	char *value;		   /* NUL-terminated; NULL: empty */
	uint64_t gen;		   /* when value, permissions or the set of children changed */
	uint32_t len, room;	   /* of the value; bytes that are allocated for it */
	uint32_t hash;
	uint32_t children; /* that are there */
	uint32_t round;	   /* the journal's renewal that has it */
	uint32_t guests;   /* watches here that are of guests' rings */
	uint32_t path_len; /* of its path, without NUL */
	uint32_t name_len;
	char name[];
};

#define STORE_VALUE_SLACK 64u /* bytes that a value may leave unused */

/* What a domain holds, by its id: as owner, watcher, and in permissions of others' nodes. */
struct store_domain {
	uint32_t domid;
	uint32_t nodes, watches, transactions;
	uint32_t mentions;	 /* entries of permission lists, but as owner */
	uint64_t bytes;		 /* of names, values and watches, as XenStore counts them */
	uint64_t memory;	 /* of all of it: quota.c */
	bool gave;		 /* others rights in nodes of its own, at some time */
	struct store_conn *ring; /* its lasting connection */
	UT_hash_handle hh;
};

struct store_change; /* a hook that is to hear of one */

struct store {
	struct store_quota quota;
	struct store_node *root, *special; /* "/" and what is above "@releaseDomain" */
	struct store_node **bucket;
	uint32_t nbucket, nsplit, nhashed;
	uint64_t nodes, gen;
	struct store_node *found; /* the last one that store_find() has found, by found_path */
	char found_path[128];
	struct store_domain *domains;
	struct store_conn *conns;
	struct store_conn *waking; /* are to be woken */
	bool in_wakes;
	uint32_t depth; /* of groups */
	struct store_change *changes, *changes_end;
	void (*missing)(void *arg, uint32_t domid);
	void *missing_arg;
	bool in_missing;
	bool replaying; /* no watch fires */
	bool dom0_gave; /* rights of guests outside of what is theirs by its place */
	char *scratch;	/* lists of names */
	uint32_t scratch_room;
	struct store_journal *journal;
	uint64_t live;	 /* bytes that a renewed journal says of nodes, watches and connections */
	uint64_t queued; /* ... and of what waits to be sent to lasting connections */
	uint64_t watches, requests, events;
	uint64_t looks; /* at watches, for changes */
	uint32_t nconns, transactions;
};

/* All changes happen between these two; with the last end they are in the journal, and only then
 * connections are told. */
static inline void store_begin(struct store *s)
{
	s->depth++;
}
void store_end(struct store *s);

/* The path is one: absolute, of allowed characters, no empty names, not too long. `len` without
 * NUL. */
bool store_path_ok(const char *path, size_t len);
/* The domain in "/local/domain/<id>" and below; STORE_NO_DOMAIN: another path. */
uint32_t store_path_domain(const char *path);
/* From one that is known to fit. */
static inline void store_path_copy(char to[STORE_PATH_MAX], const char *from)
{
	memcpy(to, from, strlen(from) + 1);
}
int store_node_path(const struct store_node *n, char path[STORE_PATH_MAX]); /* its length */

struct store_domain *store_domain(struct store *s, uint32_t domid, bool make);
void store_domain_tidy(struct store *s, struct store_domain *d); /* frees one that holds nothing */

struct store_perms *store_perms_new(struct store *s, const struct store_perm *perm, uint32_t n);
void store_perms_put(struct store *s, struct store_perms *p); /* NULL is fine */
/* A child's: the parent's, owned by its maker if that is a guest. A reference, or NULL. */
struct store_perms *store_perms_inherit(struct store *s, struct store_perms *parent, uint32_t by);
enum store_access store_allowed(const struct store_perms *p, uint32_t domid);
/* Notes that a node at `path` has these: where a domain's rights may be when it ends. */
void store_perms_note(struct store *s, const struct store_perms *p, const char *path);
bool store_owns(const struct store_perms *p, uint32_t domid);

int store_tree_open(struct store *s);
void store_tree_close(struct store *s);
/* The node if it is there. */
struct store_node *store_find(struct store *s, const char *path);
/* The nearest one that is there, at or above it. */
struct store_node *store_find_near(struct store *s, const char *path);
/* A node or a place for one, "@..." too; store_node_tidy() when nothing hangs there any more. */
struct store_node *store_place(struct store *s, const char *path);
void store_node_tidy(struct store *s, struct store_node *n);
/* Makes the node and its parents as `by`. No watch fires. *made: it was not there. */
int store_make(struct store *s, const char *path, uint32_t by, const void *data, uint32_t len,
	       struct store_node **out, bool *made);
int store_set_value(struct store *s, struct store_node *n, const char *path, const void *data,
		    uint32_t len);
int store_node_perms(struct store *s, struct store_node *n, const char *path,
		     struct store_perms *p); /* takes the reference */
/* Removes it and what is below; store_remove() also tells. */
void store_cut_off(struct store *s, struct store_node *n);
/* Names of the children in s->scratch; `n` may be NULL. */
int store_tree_names(struct store *s, const struct store_node *n, uint32_t *len);
/* For replays: a node with exactly this; the parent is there. */
int store_restore_node(struct store *s, const char *path, const struct store_perm *perm, uint32_t n,
		       const void *data, uint32_t len);
/* The next one of a walk that visits parents first, below `top`. */
struct store_node *store_walk(const struct store_node *top, struct store_node *n);

static inline bool store_is_guest(uint32_t domid)
{
	return domid != 0 && domid != STORE_NO_DOMAIN;
}

/* --- watch.c, group.c: the receivers of changes --- */

struct store_watch {
	struct store_watch *prev, *next;	   /* at its node */
	struct store_watch *conn_prev, *conn_next; /* of its connection */
	struct store_node *at;
	struct store_conn *conn;
	struct store_cost charged;
	uint32_t cost;	 /* of bytes */
	uint32_t queued; /* where its last event begins in the stream of output */
	bool has_queued;
	bool relative;
	uint32_t token_len;
	char token[]; /* with NUL */
};

/* 0, -EEXIST, -E2BIG, -ENOMEM. `path` is absolute, or "@...". */
int store_watch_add(struct store_conn *c, const char *path, bool relative, const char *token);
int store_watch_remove(struct store_conn *c, const char *path, const char *token);
void store_watches_clear(struct store_conn *c);
/* Tells watches and hooks at and above (removed: and below) of it. `old`: permissions that it had
 * before, or NULL. */
void store_tell(struct store *s, struct store_node *n, const struct store_perms *old, bool removed,
		uint32_t by);
/* Removes it and what is below, and tells; `by` as in hooks. */
void store_remove(struct store *s, struct store_node *n, uint32_t by);
void store_hooks_run(struct store *s);

/* --- output.c, conn.c: connections --- */

struct store_conn {
	struct store *s;
	struct store_conn *prev, *next, *wake_prev, *wake_next;
	uint32_t domid;
	bool lasting, attached, over, woken, busy, stalled, replayed;
	struct store_conn_ops ops;
	void *arg;
	struct store_domain *dom;
	struct store_watch *watches;
	struct store_tx *txs; /* uthash by id */
	uint32_t next_tx;
	uint8_t *in; /* a message that is not whole yet */
	uint32_t in_len;
	uint8_t *out; /* what waits is [out_at, out_at + out_len) */
	uint32_t out_at, out_len, out_room;
	uint32_t in_pos, out_pos; /* in the streams of bytes; out_pos of out[out_at] */
	uint32_t round;		  /* as a node's */
	uint64_t requests, dropped;
	uint32_t base_len;
	char base[32]; /* what relative paths are relative to */
};

#define STORE_HEADER	 ((uint32_t)sizeof(struct xsd_sockmsg))
#define STORE_REL_MAX	 2048u /* XENSTORE_REL_PATH_MAX */
#define STORE_DOM0_QUEUE 64u   /* times what guests may leave waiting */

/* -ENOMEM: then the connection is over. */
int store_conn_put(struct store_conn *c, uint32_t type, uint32_t req, uint32_t tx, const void *data,
		   uint32_t len);
void store_conn_event(struct store_watch *w, const char *path);
void store_wakes_run(struct store *s);
void store_wake_all(struct store *s); /* those that were held up by a full journal */
struct store_conn *store_conn_make(struct store *s, uint32_t domid, bool lasting);
/* Everything of it is gone, in the journal too. */
void store_conn_end(struct store_conn *c);
/* The buffer of half messages is there. */
bool store_conn_half(struct store_conn *c);
/* So many bytes of output more, or (negative) fewer, wait. */
void store_conn_waits(struct store_conn *c, int64_t bytes);
/* Its positions are what they are now. */
void store_conn_log(const struct store_conn *c);
int store_conn_append(struct store_conn *c, const void *data, uint32_t len);
/* n bytes of output, which wait, have left. */
void store_conn_taken(struct store_conn *c, uint32_t n);
/* What may wait before input does. */
uint32_t store_conn_queue_max(const struct store_conn *c);
/* Memory that the connection holds, or gives back, is its domain's. */
void store_conn_charge(struct store_conn *c, uint64_t memory, bool add);
void store_unwake(struct store_conn *c);

struct store_seen {
	bool exists;
	const char *value;
	uint32_t len;
	struct store_perms *perms;
	uint64_t gen;
};

/* --- wire_args.c, wire_perms.c, wire.c: requests --- */

struct store_request {
	struct store_conn *c;
	struct store *s;
	const struct xsd_sockmsg *h;
	const char *data; /* h->len bytes */
	struct store_tx *t;
	bool relative;
	char path[STORE_PATH_MAX]; /* the absolute one */
};

int store_answer(const struct store_request *r, const void *data, uint32_t len); /* -E2BIG */
int store_ok(const struct store_request *r);
/* The payload is exactly one string. */
bool store_one_string(const struct store_request *r);
/* Behind the first string; NULL: there is none with a NUL. */
const char *store_second(const struct store_request *r, uint32_t *len);
/* Makes r->path of the string at the front of the payload. */
int store_take_path(struct store_request *r);
/* Takes the path at the front, of a node that is to be accessed so. -ENOENT only for those who
 * could have accessed it if it were there, else -EACCES. */
int store_access_path(struct store_request *r, enum store_access want, struct store_seen *seen);
int store_do_get_perms(struct store_request *r);
int store_do_set_perms(struct store_request *r);

/* A whole message: header, then `h.len` bytes. */
void store_handle(struct store_conn *c, const struct xsd_sockmsg *h, const char *data);

/* --- tx.c, commit.c, see.c: what a request sees and changes, in a transaction or not --- */

struct store_tx {
	uint32_t id;
	bool doomed; /* began before the last crash: ends in EAGAIN */
	struct tx_node *nodes;
	uint32_t n, order, made;
	uint64_t bytes;
	uint64_t memory; /* that its domain is charged with */
	UT_hash_handle hh;
};

/* A node of a transaction's picture. */
struct tx_node {
	uint64_t gen;	/* of the original; 0: there was none */
	bool exists;	/* in this picture */
	bool changed;	/* and is to be written */
	bool removed;	/* the original is to go first */
	bool listed;	/* names are known */
	uint32_t order; /* of changes */
	struct store_perms *perms;
	char *value;
	uint32_t len;
	char *names; /* of the children */
	uint32_t names_len;
	UT_hash_handle hh;
	char path[];
};

/* The transaction's copy, made now if it had not seen the node yet. */
int store_tx_node(struct store_conn *c, struct store_tx *t, const char *path, struct tx_node **out);
int store_tx_list(struct store_conn *c, struct store_tx *t, struct tx_node *n); /* its names */
int store_tx_write(struct store_conn *c, struct store_tx *t, const char *path, const void *data,
		   uint32_t len, bool keep);
int store_tx_rm(struct store_conn *c, struct store_tx *t, const char *path);
/* Takes the reference. */
int store_tx_perms(struct store_conn *c, struct store_tx *t, const char *path,
		   struct store_perms *p);

/* Cuts the last name off ("" for the root); returns it, which has its NUL still. */
const char *store_cut(char *path);

static inline const char *store_or_root(const char *path)
{
	return *path ? path : "/";
}

/* 0 (exists or not), -ENOMEM, -ENOSPC for a transaction that has seen too much. `t` may be NULL. */
int store_see(struct store_conn *c, struct store_tx *t, const char *path, struct store_seen *out);
/* Permissions of the nearest node that is there, at or above. */
struct store_perms *store_see_near(struct store_conn *c, struct store_tx *t, const char *path);
/* Names of the children, each with its NUL; valid until the next call. */
int store_see_names(struct store_conn *c, struct store_tx *t, const char *path, const char **names,
		    uint32_t *len);
int store_do_write(struct store_conn *c, struct store_tx *t, const char *path, const void *data,
		   uint32_t len, bool keep);
int store_do_rm(struct store_conn *c, struct store_tx *t, const char *path);
int store_do_perms(struct store_conn *c, struct store_tx *t, const char *path,
		   const struct store_perm *perm, uint32_t n);
int store_tx_start(struct store_conn *c, uint32_t id, struct store_tx **out);
struct store_tx *store_tx_find(struct store_conn *c, uint32_t id);
/* 0 or -EAGAIN, -ENOSPC, -ENOMEM; it is over in any case. */
int store_tx_end(struct store_conn *c, struct store_tx *t, bool commit);
void store_tx_clear(struct store_conn *c);
void store_tx_drop(struct store_conn *c, struct store_tx *t); /* with its picture */

/* --- quota.c: what each domain makes the store keep --- */

#define STORE_RECORD 24u /* a record's head, and what it is padded with */

struct store_cost store_cost_sum(struct store_cost a, struct store_cost b);
struct store_cost store_perms_cost(uint32_t n); /* a list of its own; n >= 1 */
struct store_cost store_node_cost(uint32_t nperms, uint32_t path_len, uint32_t name_len,
				  uint32_t len);
struct store_cost store_watch_cost(const char *path, uint32_t token_len);
struct store_cost store_conn_cost(bool lasting);
struct store_cost store_tx_cost(void);
/* So many nodes more in a transaction's picture; `bytes` of paths, values, names. */
struct store_cost store_tx_node_cost(uint32_t nodes, uint64_t bytes);
void store_charge(struct store *s, struct store_domain *d, struct store_cost c, bool add);
/* A guest may have so much more. What is not asked for by it is charged without this. */
bool store_may_keep(const struct store_conn *c, struct store_cost more);
/* A node with the permissions `p` comes to its owner's account, or leaves it. False: no memory. */
bool store_account(struct store *s, const struct store_node *n, const struct store_perms *p,
		   bool add);
/* What a guest may own at most; `nodes` more of `bytes` of names and values come. 0, -ENOSPC,
 * -ENOMEM. */
int store_may_own(const struct store_conn *c, uint64_t nodes, uint64_t bytes);

#include "store/journal.h"

#endif
