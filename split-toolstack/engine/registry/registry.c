/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: one LMDB record for each VM, keyed by uuid. It is on a tmpfs and is only kept
 * for the next daemon, so nothing is synced. New records are in recent.c first. */
#include "split-toolstack/engine/registry/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"
#include "split-toolstack/engine/registry/recent.h"
#include "split-toolstack/engine/registry/record.h"

#define MAP_BYTES    (256ull << 20) /* room for 32751 VMs with long command lines */
#define UNKNOWN_FORM "registry: a record of an unknown form is left alone"
#define ROOM_BYTES   (1u << 20) /* that the file has beyond what it uses */

static int failed(struct err *e, int rc, const char *what)
{
	/* EIO: LMDB's error for an incomplete write, as in a full folder. */
	int code = rc == EIO || rc == MDB_MAP_FULL ? ENOSPC : rc > 0 ? rc : EIO;

	return err_set(e, code, "registry: %s: %s", what, mdb_strerror(rc));
}

/* The folder of the registry's files; nothing in it may be a symbolic link. */
static int open_folder(const char *path, struct err *e)
{
	int dir = dir_prepare(path, false, e);
	int rc = dir < 0 ? dir : dir_refuse_links(dir, path, e);

	if (dir >= 0)
		(void)close(dir);
	return rc;
}

void registry_keep_room(struct registry *reg)
{
	mdb_filehandle_t fd;
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t used;

	if (mdb_env_get_fd(reg->db, &fd) != 0 || mdb_env_info(reg->db, &info) != 0 ||
	    mdb_env_stat(reg->db, &stat) != 0)
		return;
	used = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
	if (used + ROOM_BYTES / 2 <= reg->room)
		return;
	reg->room = used + ROOM_BYTES;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)reg->room) < 0)
		log_line(LOG_WARN, "registry: no room for changes to come: %s", strerror(errno));
}

static int open_db(struct registry *reg, const char *path, struct err *e)
{
	MDB_txn *txn;
	int rc = mdb_env_create(&reg->db);

	if (rc != 0)
		return failed(e, rc, "open");
	rc = mdb_env_set_mapsize(reg->db, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_open(reg->db, path,
				  MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NOLOCK, 0600);
	if (rc != 0)
		return failed(e, rc, path);
	rc = mdb_txn_begin(reg->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_dbi_open(txn, NULL, 0, &reg->dbi);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "open");
	}
	rc = mdb_txn_commit(txn);
	return rc != 0 ? failed(e, rc, "open") : 0;
}

/* Neither a writable map nor LMDB's lock file: both are sparse, and touching a page that a full
 * file system cannot allocate ends the process by SIGBUS. One process uses the database, on one
 * thread. */
int registry_open(const char *run_dir, struct registry **out, struct err *e)
{
	struct registry *reg = calloc(1, sizeof(*reg));
	char path[512];
	int rc;

	if (!reg)
		return err_set(e, ENOMEM, "out of memory");
	(void)snprintf(path, sizeof(path), "%s/registry", run_dir);
	rc = open_folder(path, e);
	if (rc == 0)
		rc = open_db(reg, path, e);
	if (rc == 0) {
		registry_keep_room(reg);
		(void)snprintf(path, sizeof(path), "%s/registry/recent", run_dir);
		rc = recent_open(reg, path, e);
	}
	if (rc < 0) {
		registry_close(reg);
		return rc;
	}
	*out = reg;
	return 0;
}

void registry_close(struct registry *reg)
{
	if (!reg)
		return;
	recent_close(reg);
	if (reg->db)
		mdb_env_close(reg->db);
	free(reg);
}

/* Into the database, when it does not fit elsewhere. */
static int put_now(struct registry *reg, const struct vm_record *r, size_t bytes, struct err *e)
{
	MDB_val key = {16, (void *)(uintptr_t)r->uuid};
	MDB_val value = {bytes, NULL};
	MDB_txn *txn = NULL;
	/* The waiting record of this VM is older, and must not be written later. */
	int rc = recent_settle_one(reg, r->uuid);

	if (rc == 0)
		rc = mdb_txn_begin(reg->db, NULL, 0, &txn);
	if (rc != 0)
		return failed(e, rc, "begin");
	rc = mdb_put(txn, reg->dbi, &key, &value, MDB_RESERVE);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return failed(e, rc, "write");
	}
	(void)record_write(r, value.mv_data, bytes);
	rc = mdb_txn_commit(txn);
	return rc != 0 ? failed(e, rc, "write") : 0;
}

int registry_put(struct registry *reg, const struct vm_record *r, struct err *e)
{
	uint8_t record[RECENT_BYTES];
	size_t bytes = record_write(r, record, sizeof(record));

	if (bytes <= sizeof(record) && recent_put(reg, r->uuid, record, bytes))
		return 0;
	return put_now(reg, r, bytes, e);
}

bool registry_settle(struct registry *reg)
{
	return recent_settle(reg);
}

void registry_delete(struct registry *reg, const uint8_t uuid[16])
{
	MDB_val key = {16, (void *)(uintptr_t)uuid};
	MDB_txn *txn;
	int rc = mdb_txn_begin(reg->db, NULL, 0, &txn);

	if (rc == 0) {
		rc = mdb_del(txn, reg->dbi, &key, NULL);
		if (rc == 0)
			rc = mdb_txn_commit(txn);
		else
			mdb_txn_abort(txn);
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		log_line(LOG_WARN, "registry: delete: %s", mdb_strerror(rc));
	recent_forget(reg, uuid); /* after the older one */
}

/* --- loading --- */

/* A record that is not in the database yet: it counts, not the older one there. */
struct loaded {
	struct loaded *next;
	struct vm_record r;
	struct vm_config cfg;
};

struct loading {
	registry_fn *fn;
	void *arg;
	struct loaded *recent, **tail; /* oldest first */
	int rc;			       /* LMDB's error, or errno */
};

/* 0: it is filled; -1: it is of no form that is known; else ENOMEM. `cfg` is to be cleared. */
static int read_record(const uint8_t uuid[16], const uint8_t *data, size_t bytes,
		       struct vm_record *r, struct vm_config *cfg)
{
	vm_config_init(cfg);
	/* allocators set it, but lack of memory does not mean that the record is damaged */
	errno = 0;
	if (record_read(r, cfg, data, bytes)) {
		memcpy(r->uuid, uuid, sizeof(r->uuid));
		memcpy(cfg->uuid, uuid, sizeof(cfg->uuid));
		return 0;
	}
	if (errno == ENOMEM)
		return ENOMEM;
	log_line(LOG_WARN, UNKNOWN_FORM);
	return -1;
}

static bool is_recent(const struct loading *l, const uint8_t uuid[16])
{
	const struct loaded *k = l->recent;

	while (k && memcmp(k->r.uuid, uuid, sizeof(k->r.uuid)) != 0)
		k = k->next;
	return k != NULL;
}

static void load_one(struct loading *l, const MDB_val *key, const MDB_val *value)
{
	struct vm_config cfg;
	struct vm_record r;
	int rc;

	if (key->mv_size != sizeof(r.uuid)) {
		log_line(LOG_WARN, UNKNOWN_FORM);
		return;
	}
	if (is_recent(l, key->mv_data))
		return;
	rc = read_record(key->mv_data, value->mv_data, value->mv_size, &r, &cfg);
	if (rc == 0)
		rc = -l->fn(l->arg, &r, &cfg);
	vm_config_clear(&cfg);
	l->rc = rc > 0 ? rc : 0;
}

static int load_database(const struct registry *reg, struct loading *l)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	MDB_txn *txn;
	int rc = mdb_txn_begin(reg->db, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, reg->dbi, &cursor);
	while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		load_one(l, &key, &value);
		rc = l->rc;
	}
	if (cursor)
		mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void forget_older(struct loading *l, const uint8_t uuid[16])
{
	for (struct loaded **at = &l->recent; *at; at = &(*at)->next) {
		struct loaded *old = *at;

		if (memcmp(old->r.uuid, uuid, sizeof(old->r.uuid)) != 0)
			continue;
		*at = old->next;
		if (!*at)
			l->tail = at;
		vm_config_clear(&old->cfg);
		free(old);
		return;
	}
}

static void load_recent(void *arg, const uint8_t uuid[16], const uint8_t *record, size_t bytes)
{
	struct loading *l = arg;
	struct loaded *k = l->rc ? NULL : calloc(1, sizeof(*k));
	int rc = k ? read_record(uuid, record, bytes, &k->r, &k->cfg) : ENOMEM;

	if (rc == 0) {
		forget_older(l, uuid);
		*l->tail = k;
		l->tail = &k->next;
		return;
	}
	if (k)
		vm_config_clear(&k->cfg);
	free(k);
	if (rc > 0)
		l->rc = rc;
}

int registry_load(struct registry *reg, registry_fn *fn, void *arg, struct err *e)
{
	struct loading l = {.fn = fn, .arg = arg, .tail = &l.recent};
	struct loaded *next;

	recent_each(reg, load_recent, &l);
	if (l.rc == 0)
		l.rc = load_database(reg, &l);
	for (struct loaded *k = l.recent; k; k = next) {
		next = k->next;
		if (l.rc == 0)
			l.rc = -fn(arg, &k->r, &k->cfg);
		vm_config_clear(&k->cfg);
		free(k);
	}
	return l.rc != 0 ? failed(e, l.rc, "read") : 0;
}
