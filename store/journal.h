/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal, for the files of the store. Each file calls only those before it: journal_file.c
 * (files and their records), renew.c (writes the journal again), journal.c (logs changes and
 * makes them valid), replay.c. Included only by private.h. */
#ifndef CHAOS_NOXS_STORE_JOURNAL_H
#define CHAOS_NOXS_STORE_JOURNAL_H

enum store_record {
	STORE_J_NODE = 1, /* n permissions, path of `value` bytes, its value */
	STORE_J_VALUE,	  /* path of `value` bytes, its value */
	STORE_J_PERMS,	  /* n permissions, path */
	STORE_J_RM,	  /* path */
	STORE_J_CONN,	  /* domain; `value`: in_pos, data: out_pos, next_tx */
	STORE_J_FORGET,	  /* domain: its connection */
	STORE_J_IN,	  /* domain, bytes of an incomplete message */
	STORE_J_DONE,	  /* domain, `value`: in_pos after a complete message */
	STORE_J_OUT,	  /* domain, bytes of output to be sent */
	STORE_J_SENT,	  /* domain, `value` of them were sent */
	STORE_J_WATCH,	  /* domain, n: relative, path of `value` bytes, token */
	STORE_J_UNWATCH,  /* domain, path of `value` bytes, token */
	STORE_J_RESET,	  /* domain: its watches */
	STORE_J_TX,	  /* domain, `value`: id */
	STORE_J_TX_END,	  /* domain, `value`: id */
};

struct store_part {
	const void *data;
	uint32_t len;
};

struct store_record_head {
	uint32_t bytes; /* including this header; the next record begins at a multiple of 8 */
	uint16_t type;
	uint16_t n;
	uint32_t domid;
	uint32_t value;
};

struct store_journal_file {
	uint8_t *map; /* NULL: not mapped */
	int fd;
	uint64_t room, end;
};

#define STORE_J_MAGIC 0x3165726f74736863ull /* "chstore1" */
#define STORE_J_STEP                                                                               \
	(1u << 20) /* the file grows by this much, because reserving space takes time */
#define STORE_J_AHEAD	   (512u << 10) /* space that is allocated in advance, in both files */
#define STORE_J_AHEAD_CONN 2048u	/* ... and for each connection */

struct journal_head {
	uint64_t magic;
	uint64_t epoch; /* raised with each open */
	uint64_t end;	/* bytes that are valid */
	uint8_t pad[40];
};

static inline struct journal_head *store_journal_head(const struct store_journal_file *f)
{
	return (struct journal_head *)(void *)f->map;
}

struct store_journal {
	char *path;
	uint8_t *old; /* the records that were found */
	uint64_t old_len, old_end;
	struct store_journal_file file; /* not mapped: nothing is logged yet */
	struct store_journal_file next; /* the file of a renewal, which will replace the journal */
	/* Allocated for the next renewal, so that a full folder does not prevent it; its name is
	 * that of the journal plus ".new". */
	struct store_journal_file spare;
	uint64_t renewed; /* size of the file after the last renewal */
	uint64_t epoch;
	uint32_t round;
	uint32_t slice; /* bytes that one commit writes: about 30 us; tests set less */
	/* Position of the renewal: a node; after the last node, a lasting connection. */
	struct store_node *at;
	struct store_conn *conn;
	bool conns;
	bool torn; /* there was no room for a record of the open group: the file is written again at
		      the end of the group */
	bool stuck;    /* there was no room for that either: later changes are only in memory */
	bool tight;    /* no space could be allocated in advance */
	uint32_t pass; /* number of commits until it is tried again */
};

/* Output must not be sent and input not be read, because the journal cannot record it. */
static inline bool store_is_stuck(const struct store *s)
{
	return s->journal && s->journal->stuck;
}

/* Size of a renewed file, and some reserve. */
static inline uint64_t store_journal_spare_room(const struct store *s)
{
	return s->live + s->queued + STORE_J_AHEAD + (uint64_t)s->nconns * STORE_J_AHEAD_CONN;
}

/* Logs a record about a connection, or about a node (which must still exist when STORE_J_RM is
 * logged). */
void store_log(struct store *s, enum store_record type, uint16_t n, uint32_t domid, uint32_t value,
	       const struct store_part *part, uint32_t nparts);
void store_log_node(struct store *s, struct store_node *n, enum store_record type, uint16_t nperms,
		    uint32_t value, const struct store_part *part, uint32_t nparts);
bool store_journal_append(struct store_journal_file *f, struct store_record_head r,
			  const struct store_part *part, uint32_t nparts); /* r.bytes is set here */
void store_journal_file_begin(struct store_journal_file *f,
			      uint64_t epoch);		    /* there is no record yet */
void store_journal_file_seal(struct store_journal_file *f); /* makes all of it valid */
void store_journal_file_drop(struct store_journal_file *f);
/* Allocates room for `need` bytes; false: there is no space. */
bool store_journal_file_grow(struct store_journal_file *f, uint64_t need);
/* By one step: freeing the pages of a large file takes time. */
void store_journal_file_shrink(struct store_journal_file *f);
/* Opens or makes the file with all of its bytes allocated, at least a step; old contents are not
 * valid. */
int store_journal_file_make(const char *path, struct store_journal_file *f);
/* Opens the spare file, if it is not open. */
int store_journal_spare(struct store_journal *j);
/* Appends to the file that was read, if there is no room for a renewal. */
int store_journal_keep(struct store *s);
void store_journal_read(
	struct store_journal *j); /* reads the records that were found, and unmaps them */
/* Refuses more room to guests: the rest is for guests that use little, or for dom0. */
bool store_journal_refuses(const struct store *s, uint64_t held);
/* Begins a renewal; continues it by a slice; cancels it (if there is one); records a change in
 * it. */
int store_renew_begin(struct store *s);
void store_renew_go_on(struct store *s);
void store_renew_end(struct store *s);
void store_renew_node(struct store *s, struct store_node *n, struct store_record_head r,
		      const struct store_part *part, uint32_t nparts);
void store_renew_conn(struct store *s, struct store_record_head r, const struct store_part *part,
		      uint32_t nparts);
void store_commit(struct store *s);
/* Tries again to allocate space, and to write changes for which there was no room. True: there
 * was none before. */
bool store_journal_retry(struct store *s);
/* Opens the file; *data and *len are its records, NULL and 0 if there are none. -EBADMSG.
 * Nothing is logged before store_journal_renew(). */
int store_journal_open(struct store *s, const char *path, const uint8_t **data, uint64_t *len,
		       struct err *e);
void store_journal_close(struct store *s);
/* Writes the file again at once, from the current state. -ENOSPC: the old file is not changed. */
int store_journal_renew(struct store *s);
uint64_t store_journal_bytes(const struct store *s);
/* -EBADMSG: the records are not valid; some may have been replayed. */
int store_replay(struct store *s, const uint8_t *data, uint64_t len);

#endif
