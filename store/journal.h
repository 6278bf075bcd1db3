/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal, as the files of the store share it. From the ground up: journal_file.c (files and
 * their records), renew.c (written anew), journal.c (what is logged, and made valid), replay.c.
 * Included by private.h alone. */
#ifndef CHAOS_NOXS_STORE_JOURNAL_H
#define CHAOS_NOXS_STORE_JOURNAL_H

enum store_record {
	STORE_J_NODE = 1, /* n permissions, path of `value` bytes, its value */
	STORE_J_VALUE,	  /* path of `value` bytes, its value */
	STORE_J_PERMS,	  /* n permissions, path */
	STORE_J_RM,	  /* path */
	STORE_J_CONN,	  /* domain; `value`: in_pos, data: out_pos, next_tx */
	STORE_J_FORGET,	  /* domain: its connection */
	STORE_J_IN,	  /* domain, bytes of half a message */
	STORE_J_DONE,	  /* domain, `value`: in_pos behind a whole one */
	STORE_J_OUT,	  /* domain, bytes that wait */
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
	uint32_t bytes; /* with this; the next one begins at a multiple of 8 */
	uint16_t type;
	uint16_t n;
	uint32_t domid;
	uint32_t value;
};

struct store_journal_file {
	uint8_t *map; /* NULL: there is none */
	int fd;
	uint64_t room, end;
};

#define STORE_J_MAGIC	   0x3165726f74736863ull /* "chstore1" */
#define STORE_J_STEP	   (1u << 20)		 /* that it grows by: reserving takes time */
#define STORE_J_AHEAD	   (512u << 10)		 /* allocated before it is needed, in both files */
#define STORE_J_AHEAD_CONN 2048u		 /* ... and for each connection */

struct journal_head {
	uint64_t magic;
	uint64_t epoch; /* grows with each open */
	uint64_t end;	/* of what is valid, in the file */
	uint8_t pad[40];
};

static inline struct journal_head *store_journal_head(const struct store_journal_file *f)
{
	return (struct journal_head *)(void *)f->map;
}

struct store_journal {
	char *path;
	uint8_t *old; /* as it was found */
	uint64_t old_len, old_end;
	struct store_journal_file file; /* no map: nothing is logged yet */
	struct store_journal_file next; /* that is being written to take its place */
	/* Allocated for the next renewal, so that a full folder does not prevent it; its name is
	 * that of the journal and ".new". */
	struct store_journal_file spare;
	uint64_t renewed; /* the file's end after the last renewal */
	uint64_t epoch;
	uint32_t round;
	uint32_t slice; /* bytes that a commit writes: some 30 us; a test takes less */
	/* Where the renewal is: at a node that is there; behind the last, at a lasting connection.
	 */
	struct store_node *at;
	struct store_conn *conn;
	bool conns;
	bool torn;     /* a record of the open group found no room: written anew at its end */
	bool stuck;    /* nor was there room for that: what happened since is in memory alone */
	bool tight;    /* no room could be allocated ahead */
	uint32_t pass; /* commits until that is tried again */
};

/* Nothing may leave to, or come from, a connection: the journal could not tell of it. */
static inline bool store_is_stuck(const struct store *s)
{
	return s->journal && s->journal->stuck;
}

/* That a renewed file needs, and some more. */
static inline uint64_t store_journal_spare_room(const struct store *s)
{
	return s->live + s->queued + STORE_J_AHEAD + (uint64_t)s->nconns * STORE_J_AHEAD_CONN;
}

/* About a connection; about a node (which exists still when STORE_J_RM is logged). */
void store_log(struct store *s, enum store_record type, uint16_t n, uint32_t domid, uint32_t value,
	       const struct store_part *part, uint32_t nparts);
void store_log_node(struct store *s, struct store_node *n, enum store_record type, uint16_t nperms,
		    uint32_t value, const struct store_part *part, uint32_t nparts);
bool store_journal_append(struct store_journal_file *f, struct store_record_head r,
			  const struct store_part *part, uint32_t nparts);   /* r.bytes: ours */
void store_journal_file_begin(struct store_journal_file *f, uint64_t epoch); /* no record yet */
void store_journal_file_seal(struct store_journal_file *f); /* all of it is valid */
void store_journal_file_drop(struct store_journal_file *f);
/* Room for `need` bytes is allocated; false: there is none. */
bool store_journal_file_grow(struct store_journal_file *f, uint64_t need);
/* By a step: the pages of a big file are not given back in no time. */
void store_journal_file_shrink(struct store_journal_file *f);
/* Opens or makes the file with all of its bytes allocated, at least a step; what it says is void.
 */
int store_journal_file_make(const char *path, struct store_journal_file *f);
/* The spare file is opened, if it is not. */
int store_journal_spare(struct store_journal *j);
/* No room for a renewal: records are appended to the file that was read. */
int store_journal_keep(struct store *s);
void store_journal_read(struct store_journal *j); /* what was found is read, and unmapped */
/* No more room for guests: what is left is for those that hold little, or for dom0 alone. */
bool store_journal_refuses(const struct store *s, uint64_t held);
/* A renewal begins, goes on by a slice, is given up (none: fine), hears of a change. */
int store_renew_begin(struct store *s);
void store_renew_go_on(struct store *s);
void store_renew_end(struct store *s);
void store_renew_node(struct store *s, struct store_node *n, struct store_record_head r,
		      const struct store_part *part, uint32_t nparts);
void store_renew_conn(struct store *s, struct store_record_head r, const struct store_part *part,
		      uint32_t nparts);
void store_commit(struct store *s);
/* Tries again to allocate, and to write what found no room. True: it found none before. */
bool store_journal_retry(struct store *s);
/* Opens the file; *data and *len are its records, NULL and 0 when there is none. -EBADMSG. Nothing
 * is logged before store_journal_renew(). */
int store_journal_open(struct store *s, const char *path, const uint8_t **data, uint64_t *len,
		       struct err *e);
void store_journal_close(struct store *s);
/* Writes the file anew, as things are, at once. -ENOSPC: the one before is what it was. */
int store_journal_renew(struct store *s);
uint64_t store_journal_bytes(const struct store *s);
/* -EBADMSG: not what we write; some of it may have been done. */
int store_replay(struct store *s, const uint8_t *data, uint64_t len);

#endif
